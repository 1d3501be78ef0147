// Q2: one key with very many jobs before a hundred keys with one each.
import { defineJob } from "millrace";
import { z } from "zod";
import { until } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";
import { openHere, openPlace } from "./limited-place.ts";

/** Keys with one job each. */
const FEW = 100;
const CONCURRENCY = 10;
const BULK = 1_000;
/** Starts within which all of them must be done. */
const MOST_STARTS = 300;

export const scenario: Scenario = {
  id: "Q2",
  fault: "one key fills the queue before a hundred others come",
  async run(chaos) {
    const many = chaos.isShort ? 2_000 : 100_000;
    let starts = 0;
    let done = 0;
    let startsUntilDone = 0;
    const type = defineJob({
      name: "fair",
      input: z.object({ customer: z.string() }),
      limits: [{ key: "customer" }],
      retention: { succeeded: "remove" },
      run: async ({ input }) => {
        starts += 1;
        await new Promise(setImmediate);
        if (input.customer === "many") return;
        done += 1;
        if (done === FEW) startsUntilDone = starts;
      },
    });
    const mill = await openHere(chaos, await openPlace(chaos), [type], CONCURRENCY);
    for (let kept = 0; kept < many; kept += BULK) {
      await mill.enqueueMany(
        type,
        Array.from({ length: BULK }, () => ({ customer: "many" })),
      );
    }
    const few = Array.from({ length: FEW }, (_, at) => ({ customer: `few-${at}` }));
    await mill.enqueueMany(type, few);
    await mill.start();
    await until(chaos, "the end of the few", () => startsUntilDone > 0);
    chaos.figure("jobs of the one key", many);
    chaos.must(`starts until ${FEW} others were done`, startsUntilDone, { atMost: MOST_STARTS });
  },
};
