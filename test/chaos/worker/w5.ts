// W5: a job that kills whatever process runs it.
import { Place, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import { produce } from "../harness/producer.ts";
import { DEADLY_CRASHES } from "../programs/jobs.ts";
import type { Program } from "../harness/process.ts";
import type { Scenario } from "../harness/scenario.ts";

const WORK_MS = 150;

export const scenario: Scenario = {
  id: "W5",
  fault: "a job that kills its process, among jobs that do no harm",
  async run(chaos) {
    const deadly = chaos.isShort ? 1 : 5;
    const neighbours = chaos.isShort ? 50 : 2_000;
    const place = new Place(chaos);
    const { mill, log, types, transitions } = await place.observe();
    const input = { workMs: WORK_MS };
    await produce(mill, types.work, log, { from: 1, count: neighbours, callers: 20, input });
    const killers = await mill.enqueueMany(
      types.deadly,
      Array.from({ length: deadly }, (_, index) => ({ number: neighbours + 1 + index })),
    );
    let deaths = 0;
    let worker: Program | undefined;
    const isDone = async (): Promise<boolean> => (await countJobs(mill)).open === 0;
    while (!(await isDone())) {
      worker = await place.startWorker();
      const { exited } = worker;
      let isDead = false;
      void exited.finally(() => (isDead = true));
      await until(chaos, "the end of all jobs, or a death", async () => isDead || (await isDone()));
      if (isDead) deaths += 1;
    }
    const views = await Promise.all(killers.map(({ id }) => mill.job(id)));
    const buried = views.filter((view) => view?.error?.code === "JOB_CRASHED");
    const crashes = views.map((view) => view?.crashes ?? 0);
    let charged = 0;
    let cursor: string | undefined;
    do {
      const query = { type: "work", limit: 1_000, ...(cursor === undefined ? {} : { cursor }) };
      const page = await mill.jobs(query);
      charged += page.jobs.filter((job) => job.crashes > 0 || job.state !== "succeeded").length;
      cursor = page.cursor;
    } while (cursor !== undefined);

    chaos.figure("processes killed", deaths);
    chaos.must("dead-lettered", buried.length, { exactly: deadly });
    chaos.must("crashes charged to the culprit", Math.max(...crashes), { exactly: DEADLY_CRASHES });
    chaos.must("neighbours charged", charged, { exactly: 0 });
    mustKeepPromises(chaos, place.judge(), transitions);
  },
};
