// The short forms of Q1 and Q2 on Redis.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as q1 } from "./q1.ts";
import { scenario as q2 } from "./q2.ts";

/** Several times what the slowest takes on a machine that others use as well. */
const TIMEOUT_MS = 180_000;

test.for([q1, q2])("$id holds: $fault", { timeout: TIMEOUT_MS }, async (scenario) => {
  expect(await brokenInShort(scenario, "redis")).toBe("");
});
