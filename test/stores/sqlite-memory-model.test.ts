// The embedded store does what the reference model does: in memory.
import { inMemory } from "./sqlite-harness.ts";
import { testAgainstModel } from "./model/run.ts";

testAgainstModel("SQLite in memory", inMemory(), 200);
