// E5: another process holds the write lock for longer than a lease lasts.
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { Place, countJobs, mustKeepPromises, until } from "../harness/place.ts";
import type { Produced } from "../harness/producer.ts";
import type { Scenario } from "../harness/scenario.ts";

const HELD_MS = 4_000;

export const scenario: Scenario = {
  id: "E5",
  fault: "another process holds the write lock of the file for 4 s while jobs are enqueued and run",
  async run(chaos) {
    const rounds = chaos.isShort ? 1 : 10;
    const place = new Place(chaos);
    const { mill, transitions } = await place.observe();
    const program = await place.startWorker();
    using intruder = new DatabaseSync(place.path, { timeout: 30_000 });
    let refusals = 0;
    for (let round = 0; round < rounds; round += 1) {
      const production = {
        from: round * 10_000 + 1,
        count: 2_000,
        callers: 5,
        input: { workMs: 5 },
      };
      const producing = program.ask({ kind: "produce", type: "work", production }, chaos.signal);
      await until(chaos, "work", () => transitions.count > round * 2_000 + 50);
      intruder.exec("BEGIN IMMEDIATE");
      await sleep(HELD_MS, undefined, { signal: chaos.signal });
      intruder.exec("COMMIT");
      refusals += ((await producing)["result"] as Produced).refusals.length;
    }
    await until(chaos, "the end of all jobs", async () => (await countJobs(mill)).open === 0);

    chaos.figure("locks held", rounds);
    chaos.must("errors that reached a caller", refusals, { exactly: 0 });
    chaos.must("leases lost", place.printed().split('"lease lost"').length - 1, { exactly: 0 });
    const verdict = place.judge();
    mustKeepPromises(chaos, verdict, transitions);
    chaos.must("run twice", verdict.duplicates, { exactly: 0 });
  },
};
