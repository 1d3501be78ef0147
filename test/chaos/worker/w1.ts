// W1: workers killed in the middle of their work, again and again.
import { Place, QUICK_WORKER, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import { produce } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";

const WORKERS = 3;
const CONCURRENCY = 10;
const WORK_MS = 25;

export const scenario: Scenario = {
  id: "W1",
  fault: "workers killed with SIGKILL while they work, each replaced by a new one",
  async run(chaos) {
    const jobs = chaos.isShort ? 800 : 100_000;
    const kills = chaos.isShort ? 4 : 200;
    const place = new Place(chaos);
    const { mill, log, types, transitions } = await place.observe();
    const start = (): ReturnType<Place["startWorker"]> =>
      place.startWorker({ worker: { ...QUICK_WORKER, concurrency: CONCURRENCY } });
    const workers = await Promise.all(Array.from({ length: WORKERS }, start));
    const producing = produce(mill, types.work, log, {
      from: 1,
      count: jobs,
      callers: 100,
      input: { workMs: WORK_MS },
    });
    for (let kill = 1; kill <= kills; kill += 1) {
      // Spread over the work, so that each kill finds something running.
      const due = Math.floor((jobs * kill) / (kills + 1));
      await until(chaos, `${due} jobs done`, () => transitions.count >= due);
      const victim = chaos.random.integer(0, WORKERS - 1);
      await workers[victim]?.kill();
      workers[victim] = await start();
    }
    await producing;
    await until(chaos, "the end of all jobs", async () => (await countJobs(mill)).open === 0);

    const verdict = place.judge();
    chaos.figure("jobs", jobs);
    chaos.figure("kills", kills);
    mustKeepPromises(chaos, verdict, transitions);
    const { jobs: failed } = await mill.jobs({ states: ["failed"], limit: 10 });
    for (const { id } of failed) chaos.figure(`failed ${id}`, JSON.stringify(await mill.job(id)));
    chaos.must("failed without a throw", (await countJobs(mill)).failed, { exactly: 0 });
    chaos.must("run twice", verdict.duplicates, { atMost: kills * CONCURRENCY });
  },
};
