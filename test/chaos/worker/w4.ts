// W4: a deploy, again and again: workers told to stop, and replaced.
import { Place, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import { produce } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";

const WORKERS = 2;
const WORK_MS = 50;

export const scenario: Scenario = {
  id: "W4",
  fault: "rolling restarts by SIGTERM while jobs run",
  async run(chaos) {
    const restarts = chaos.isShort ? 3 : 50;
    const jobs = restarts * 150;
    const place = new Place(chaos);
    const { mill, log, types, transitions } = await place.observe();
    const workers = await Promise.all(Array.from({ length: WORKERS }, () => place.startWorker()));
    const production = { from: 1, count: jobs, callers: 20, input: { workMs: WORK_MS } };
    const producing = produce(mill, types.work, log, production);
    let unclean = 0;
    for (let restart = 1; restart <= restarts; restart += 1) {
      const due = Math.floor((jobs * restart) / (restarts + 1));
      await until(chaos, `${due} jobs done`, () => transitions.count >= due);
      const slot = restart % WORKERS;
      const leaving = workers[slot];
      leaving?.signal("SIGTERM");
      workers[slot] = await place.startWorker();
      if ((await leaving?.exited) !== 0) unclean += 1;
    }
    await producing;
    await until(chaos, "the end of all jobs", async () => (await countJobs(mill)).open === 0);

    chaos.figure("restarts", restarts);
    const verdict = place.judge();
    mustKeepPromises(chaos, verdict, transitions);
    chaos.must("run twice", verdict.duplicates, { exactly: 0 });
    chaos.must("failed", (await countJobs(mill)).failed, { exactly: 0 });
    chaos.must("workers that did not end with code 0", unclean, { exactly: 0 });
  },
};
