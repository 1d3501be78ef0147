// The embedded store does what the reference model does: on a file.
import { onFile } from "./sqlite-harness.ts";
import { testAgainstModel } from "./model/run.ts";

testAgainstModel("SQLite on file", await onFile(), 15);
