// The short forms of F1 and F2.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as f1 } from "./f1.ts";
import { scenario as f2 } from "./f2.ts";

/** Several times what the slowest takes on a machine that others use as well. */
const TIMEOUT_MS = 180_000;

test.for([f1, f2])("$id holds: $fault", { timeout: TIMEOUT_MS }, async (scenario) => {
  expect(await brokenInShort(scenario)).toBe("");
});
