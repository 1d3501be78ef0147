// W3: a worker that is stopped, outlives its lease, and wakes up to finish what is no longer its own.
import { setTimeout as sleep } from "node:timers/promises";
import { type Effect, readEffects } from "../harness/effect-log.ts";
import { LEASE_MS, Place, mustKeepPromises, until } from "../harness/place.ts";
import type { Scenario } from "../harness/scenario.ts";

const WORK_MS = 400;

export const scenario: Scenario = {
  id: "W3",
  fault: "a worker stopped with SIGSTOP for three leases, then continued",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 20;
    const place = new Place(chaos);
    const { mill, log, types, transitions } = await place.observe();
    let overwritten = 0;
    for (let number = 1; number <= rounds; number += 1) {
      const frozen = await place.startWorker();
      log.intend(number);
      // A job that does not listen to its signal, like one in the middle of a call: it will want to settle.
      const receipt = await mill.enqueue(types.deaf, { number, workMs: WORK_MS });
      log.acknowledge({ number, id: receipt.id });
      const seen = (kind: Effect["kind"]): readonly Effect[] =>
        readEffects(place.logs).filter((each) => each.kind === kind && each.id === receipt.id);
      await until(chaos, "the start of the job", () => seen("start").length === 1);
      frozen.signal("SIGSTOP");
      const stoppedAtMs = performance.now();
      const other = await place.startWorker();
      const standing = await receipt.result();
      const leftMs = 3 * LEASE_MS - (performance.now() - stoppedAtMs);
      await sleep(Math.max(0, leftMs), undefined, { signal: chaos.signal });
      frozen.signal("SIGCONT");
      await until(chaos, "the late effect", () => seen("effect").length === 2);
      await until(chaos, "a late word", () => countLateWords(place.printed()) >= number);
      if ((await mill.job(receipt.id))?.result !== standing) overwritten += 1;
      await frozen.kill();
      await other.kill();
    }
    mustKeepPromises(chaos, place.judge(), transitions);
    chaos.must("results overwritten", overwritten, { exactly: 0 });
    chaos.must("late words refused", countLateWords(place.printed()), { atLeast: rounds });
  },
};

/** Workers whose word was refused by the store, or that learned first that their claims are void and kept silent. */
function countLateWords(printed: string): number {
  return printed
    .split("\n")
    .filter((line) => line.includes('"lease lost"') || line.includes('"late word refused')).length;
}
