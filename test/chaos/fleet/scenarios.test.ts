// The short forms of L1 to L6.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as l1 } from "./l1.ts";
import { scenario as l2 } from "./l2.ts";
import { scenario as l3 } from "./l3.ts";
import { scenario as l4 } from "./l4.ts";
import { scenario as l5 } from "./l5.ts";
import { scenario as l6 } from "./l6.ts";

/** Several times what the slowest takes on a machine that others use as well. */
const TIMEOUT_MS = 120_000;

test.for([l1, l2, l3, l4, l5, l6])(
  "$id holds: $fault",
  { timeout: TIMEOUT_MS },
  async (scenario) => {
    expect(await brokenInShort(scenario)).toBe("");
  },
);
