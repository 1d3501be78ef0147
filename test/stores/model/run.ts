// Runs random commands against a store and the reference model, by a seed that is told and can be set.
import { randomInt } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { StoreHarness } from "../../../src/testing/index.ts";
import { commands } from "./commands.ts";
import { openSide } from "./side.ts";

/** Enough that each command meets each other; more, and a failure shrinks slowly. */
const MAX_COMMANDS = 60;
/** Longest time of one run of a long form. */
const TIMEOUT_MS = 3_600_000;

/**
 * Declares the test. `MILLRACE_MODEL_RUNS` asks for more sequences, `MILLRACE_MODEL_SEED` repeats a run.
 */
export function testAgainstModel(name: string, harness: StoreHarness, usualRuns: number): void {
  const seed = Number(process.env["MILLRACE_MODEL_SEED"] ?? randomInt(2 ** 31));
  const numRuns = Number(process.env["MILLRACE_MODEL_RUNS"] ?? usualRuns);

  test(
    `${name} does what the model does, in ${numRuns} sequences (seed ${seed})`,
    { timeout: TIMEOUT_MS },
    async () => {
      const agrees = fc.asyncProperty(
        commands(MAX_COMMANDS, harness.capabilities),
        async (sequence) => {
          const side = await openSide(harness);
          try {
            await fc.asyncModelRun(() => ({ model: {}, real: side }), sequence);
          } finally {
            await side.close();
          }
        },
      );
      const { failed, numRuns: ran } = await checked(agrees, { seed, numRuns });
      expect({ failed, ran }).toEqual({ failed: false, ran: numRuns });
    },
  );
}

/** Throws with the shortest sequence that fails, and how to repeat it. */
async function checked<Values>(
  property: fc.IAsyncProperty<Values>,
  parameters: fc.Parameters<Values>,
): Promise<fc.RunDetails<Values>> {
  const details = await fc.check(property, parameters);
  if (details.failed)
    throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
  return details;
}
