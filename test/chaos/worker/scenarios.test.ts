// The short forms of W1 to W8.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as w1 } from "./w1.ts";
import { scenario as w2 } from "./w2.ts";
import { scenario as w3 } from "./w3.ts";
import { scenario as w4 } from "./w4.ts";
import { scenario as w5 } from "./w5.ts";
import { scenario as w6 } from "./w6.ts";
import { scenario as w7 } from "./w7.ts";
import { scenario as w8 } from "./w8.ts";

/** Several times what the slowest takes on a machine that others use as well. */
const TIMEOUT_MS = 180_000;

test.for([w1, w2, w3, w4, w5, w6, w7, w8])(
  "$id holds: $fault",
  { timeout: TIMEOUT_MS },
  async (scenario, { skip }) => {
    const missing = scenario.missing?.() ?? null;
    skip(missing !== null, missing ?? "");
    expect(await brokenInShort(scenario)).toBe("");
  },
);
