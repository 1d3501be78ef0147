// The short forms of E1 to E5.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as e1 } from "./e1.ts";
import { scenario as e2 } from "./e2.ts";
import { scenario as e3 } from "./e3.ts";
import { scenario as e4 } from "./e4.ts";
import { scenario as e5 } from "./e5.ts";

/** Several times what the slowest takes on a machine that others use as well. */
const TIMEOUT_MS = 180_000;

test.for([e1, e2, e3, e4, e5])(
  "$id holds: $fault",
  { timeout: TIMEOUT_MS },
  async (scenario, { skip }) => {
    const missing = scenario.missing?.() ?? null;
    skip(missing !== null, missing ?? "");
    expect(await brokenInShort(scenario)).toBe("");
  },
);
