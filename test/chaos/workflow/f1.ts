// F1: workers are killed at their writes, at each in turn, before it is kept and after.
import type { Chaos, Scenario } from "../harness/index.ts";
import { until } from "../harness/place.ts";
import { type RunPlace, onEveryStore } from "./runs.ts";

/** Runs that come with each death. */
const RUNS_A_DEATH = 10;
/** As many writes as such runs take, about. */
const MOST_WRITES = 15;
const WORKERS = 2;

async function killOver(chaos: Chaos, place: RunPlace, deaths: number): Promise<void> {
  const workers = await Promise.all(Array.from({ length: WORKERS }, () => place.startWorker()));
  for (let death = 0; death < deaths; death += 1) {
    const slot = death % WORKERS;
    const dying = workers[slot];
    const at = 1 + (Math.floor(death / WORKERS) % MOST_WRITES);
    const isKept = Math.floor(death / WORKERS / MOST_WRITES) % 2 === death % 2;
    await dying?.ask({ kind: "die", at, isKept }, chaos.signal);
    while (dying?.isRunning === true) {
      await place.begin(RUNS_A_DEATH);
      // Its neighbour may have taken so many that it lives to see the next ones.
      const isOver = async (): Promise<boolean> => !dying.isRunning || (await place.isIdle());
      await until(chaos, "a death", isOver);
    }
    workers[slot] = await place.startWorker();
  }
  chaos.figure(`${place.name}: deaths`, deaths);
  await place.judge();
  await Promise.all(workers.map((worker) => worker.kill()));
}

export const scenario: Scenario = {
  id: "F1",
  fault: "workers killed at every write to the store while they run workflows",
  async run(chaos) {
    const deaths = chaos.isShort ? 2 : 100;
    await onEveryStore(chaos, (place) => killOver(chaos, place, deaths));
  },
};
