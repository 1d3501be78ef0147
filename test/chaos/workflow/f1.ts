// F1: workers are killed at their writes, at each in turn, before it is kept and after.
import type { Chaos, Program, Scenario } from "../harness/index.ts";
import { until } from "../harness/place.ts";
import { type RunPlace, onEveryStore } from "./runs.ts";

/** Runs that come at once. */
const RUNS_A_BATCH = 10;
/** Writes at which workers die: a worker alone takes about half as many for a batch. */
const MOST_WRITES = 15;

/**
 * Gives runs until a worker that was told to die has. Its neighbour takes of the first ones with it, then rests: it took
 * nearly all of hundreds of batches, of which the dying one was to have its late write. Tells whether it rested.
 */
async function giveUntilDead(
  chaos: Chaos,
  place: RunPlace,
  dying: Program,
  neighbour: Program,
): Promise<boolean> {
  let rests = false;
  for (;;) {
    await place.begin(RUNS_A_BATCH);
    await until(chaos, "a death", async () => !dying.isRunning || (await place.isIdle()));
    if (!dying.isRunning) break;
    if (!rests) await neighbour.ask({ kind: "rest" }, chaos.signal);
    rests = true;
  }
  if (rests) await neighbour.ask({ kind: "start" }, chaos.signal);
  return rests;
}

async function killOver(chaos: Chaos, place: RunPlace, deaths: number): Promise<void> {
  let [dying, neighbour] = await Promise.all([place.startWorker(), place.startWorker()]);
  let alone = 0;
  for (let death = 0; death < deaths; death += 1) {
    const pair = Math.floor(death / 2);
    const at = 1 + (pair % MOST_WRITES);
    const isKept = Math.floor(pair / MOST_WRITES) % 2 === death % 2;
    await dying.ask({ kind: "die", at, isKept }, chaos.signal);
    if (await giveUntilDead(chaos, place, dying, neighbour)) alone += 1;
    [dying, neighbour] = [neighbour, await place.startWorker()];
  }
  chaos.figure(`${place.name}: deaths`, deaths);
  chaos.figure(`${place.name}: deaths while the neighbour rested`, alone);
  await place.judge();
  await Promise.all([dying.kill(), neighbour.kill()]);
}

export const scenario: Scenario = {
  id: "F1",
  fault: "workers killed at every write to the store while they run workflows",
  async run(chaos) {
    const deaths = chaos.isShort ? 2 : 100;
    await onEveryStore(chaos, (place) => killOver(chaos, place, deaths));
  },
};
