// The short forms of R1 to R10 and C1 to C4.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as c1 } from "./c1.ts";
import { scenario as c2 } from "./c2.ts";
import { scenario as c3 } from "./c3.ts";
import { scenario as c4 } from "./c4.ts";
import { scenario as r1 } from "./r1.ts";
import { scenario as r2 } from "./r2.ts";
import { scenario as r3 } from "./r3.ts";
import { scenario as r4 } from "./r4.ts";
import { scenario as r5 } from "./r5.ts";
import { scenario as r6 } from "./r6.ts";
import { scenario as r7 } from "./r7.ts";
import { scenario as r8 } from "./r8.ts";
import { scenario as r9 } from "./r9.ts";
import { scenario as r10 } from "./r10.ts";

/** Several times what the slowest takes on a machine that others use as well. */
const TIMEOUT_MS = 180_000;

test.for([r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, c1, c2, c3, c4])(
  "$id holds: $fault",
  { timeout: TIMEOUT_MS },
  async (scenario, { skip }) => {
    const missing = scenario.missing?.() ?? null;
    skip(missing !== null, missing ?? "");
    expect(await brokenInShort(scenario)).toBe("");
  },
);
