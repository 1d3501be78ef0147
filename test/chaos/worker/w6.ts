// W6: how long the jobs of a killed worker wait until another one begins them anew.
import { LEASE_MS, Place, QUICK_WORKER, SWEEP_MS, countJobs, until } from "../harness/place.ts";
import { type Effect, machineNowMs, readEffects } from "../harness/effect-log.ts";
import { produce } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";

const JOBS = 10;
/** Without end, as far as this scenario goes: each job is killed in its middle, and its rerun cancelled. */
const WORK_MS = 600_000;
/** For the machine: what it takes to notice, claim and start, on cores that others use as well. */
const SLACK_MS = 300;

export const scenario: Scenario = {
  id: "W6",
  fault: "a worker killed in the middle of its jobs, with an idle one beside it",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 20;
    const place = new Place(chaos);
    const { mill, log, types } = await place.observe();
    const waitsMs: number[] = [];
    const worker = { ...QUICK_WORKER, concurrency: JOBS };
    for (let round = 0; round < rounds; round += 1) {
      const victim = await place.startWorker({ worker });
      const heir = await place.startMill({ worker });
      const from = round * JOBS + 1;
      const production = { from, count: JOBS, callers: JOBS, input: { workMs: WORK_MS } };
      await produce(mill, types.work, log, production);
      const startsBy = (pid: number): readonly Effect[] =>
        readEffects(place.logs).filter((each) => each.kind === "start" && each.pid === pid);
      await until(chaos, "the start of all jobs", () => startsBy(victim.pid).length === JOBS);
      await heir.ask({ kind: "start" }, chaos.signal);
      const killedAtMs = machineNowMs();
      await victim.kill();
      await until(chaos, "the rerun of all jobs", () => startsBy(heir.pid).length === JOBS);
      waitsMs.push(...startsBy(heir.pid).map(({ atMs }) => atMs - killedAtMs));
      await mill.cancel(startsBy(heir.pid).map(({ id }) => id));
      await until(chaos, "their end", async () => (await countJobs(mill)).open === 0);
      await heir.kill();
    }
    waitsMs.sort((a, b) => a - b);
    const rank = (share: number): number =>
      Math.round(waitsMs[Math.ceil(share * waitsMs.length) - 1] ?? Number.NaN);
    chaos.figure("kills", rounds);
    chaos.figure("kill to rerun, p50, ms", rank(0.5));
    chaos.must("kill to rerun, p99, ms", rank(0.99), { atMost: LEASE_MS + SWEEP_MS + SLACK_MS });
  },
};
