// W2: handlers that stand on the event loop for longer than leases last.
import { LEASE_MS, Place, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import { produce } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";

const BLOCK_MS = 3 * LEASE_MS;

export const scenario: Scenario = {
  id: "W2",
  fault: "handlers that block the event loop for three leases, with idle workers beside them",
  async run(chaos) {
    const jobs = chaos.isShort ? 4 : 100;
    const place = new Place(chaos);
    const { mill, log, types, transitions } = await place.observe();
    // One at a time each, so that whoever is idle would take what a lost lease let go.
    const worker = { concurrency: 1, leaseDuration: LEASE_MS, sweepInterval: 100 };
    const workers = chaos.isShort ? 3 : 10;
    await Promise.all(Array.from({ length: workers }, () => place.startWorker({ worker })));
    await produce(mill, types.block, log, { from: 1, count: jobs, input: { workMs: BLOCK_MS } });
    await until(chaos, "the end of all jobs", async () => (await countJobs(mill)).open === 0);

    const verdict = place.judge();
    mustKeepPromises(chaos, verdict, transitions);
    chaos.must("effects", verdict.executed + verdict.duplicates, { exactly: jobs });
    chaos.must("failed", (await countJobs(mill)).failed, { exactly: 0 });
  },
};
