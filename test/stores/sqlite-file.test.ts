// The embedded store is a store: the conformance suite on a file.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { onFile } from "./sqlite-harness.ts";

describeStore("SQLite on file", await onFile(), { describe, test });
