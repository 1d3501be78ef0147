// One random command: done to a store and to the model, after which all that they keep must be the same.
import * as fc from "fast-check";
import type { ErrorRecord } from "../../../src/core/errors.ts";
import { compare, compareRuns, compareSchedules } from "../../../src/testing/index.ts";
import { MINUTE_MS, type Side } from "./side.ts";

export type Command = fc.AsyncCommand<object, Side>;

/** All durations are whole minutes: a sequence takes far less, so that nothing is due by the time it takes. */
export const minutes: fc.Arbitrary<number> = fc
  .integer({ min: 1, max: 12 })
  .map((count) => count * MINUTE_MS);
/** Longer than what a store keeps beside the other fields of a job. */
export const LONG_INPUT: string = "x".repeat(20_000);
/** Kept as they are: stores read nothing in them. */
export const terms: fc.Arbitrary<string> = fc.constant('{"retry":{"attempts":1},"timeout":1e3}');
export const pick: fc.Arbitrary<number> = fc.nat(1_000);
/** What every handler fails with. */
export const error: ErrorRecord = { name: "Error", message: "it failed", stack: "Error\n    at x" };

/** Makes a command of what it draws and what it does. */
export function command<Values>(
  name: string,
  values: fc.Arbitrary<Values>,
  run: (side: Side, values: Values) => Promise<void>,
): fc.Arbitrary<Command> {
  return values.map((drawn) => ({
    check: () => true,
    run: async (_, side) => {
      await run(side, drawn);
      const nowMs = await side.now();
      await compare(side.store, side.model, nowMs);
      await compareSchedules(side.store, side.model, nowMs);
      await compareRuns(side.store, side.model);
    },
    toString: () => `${name} ${JSON.stringify(drawn).replaceAll(LONG_INPUT, "x...")}`,
  }));
}
