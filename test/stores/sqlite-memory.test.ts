// The embedded store is a store: the conformance suite in memory.
import { describe, test } from "vitest";
import { describeStore } from "../../src/testing/index.ts";
import { inMemory } from "./sqlite-harness.ts";

describeStore("SQLite in memory", inMemory(), { describe, test });
