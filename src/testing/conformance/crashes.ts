// Crashes: a job that kills its workers is found out and fails; those that ran beside it are not blamed.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, type World, assertFields } from "./world.ts";

/** One worker after another claims; it dies when it runs a killer, and else succeeds with all that it took. */
async function runAmong(
  { worker, advance, sweep, store }: World,
  killers: ReadonlySet<string>,
  capacity: number,
): Promise<number> {
  let deaths = 0;
  for (let round = 0; round < 300; round += 1) {
    const one = await worker({ leaseDurationMs: HOUR_MS });
    const claimed = await one.claim({ capacity });
    if (claimed.some(({ id }) => killers.has(id))) {
      deaths += 1;
      await advance(2 * HOUR_MS);
      await sweep();
      continue;
    }
    await one.settle(outcomes.succeeded(), ...claimed);
    await one.attachment.close();
    const { jobs } = await store.list({ filter: { states: ["ready", "running"] }, limit: 1 });
    if (jobs.length === 0) return deaths;
  }
  return assert.fail("all jobs should have ended within 300 rounds");
}

export const crashesTopic: Topic = {
  name: "crashes",
  cases: [
    {
      name: "of a job that ran alone are charged to it, and fail it at the bound of its type",
      async run({ worker, enqueue, advance, sweep, putType, record }) {
        await putType({ maxCrashes: 2 });
        const [id = ""] = await enqueue({});
        for (let crash = 1; crash <= 2; crash += 1) {
          const claimed = await (await worker({ leaseDurationMs: HOUR_MS })).claimOne();
          assert.deepEqual([claimed.attempt, claimed.crashes], [1, crash - 1]);
          await advance(2 * HOUR_MS);
          assert.equal((await sweep()).crashed, crash - 1);
        }
        const kept = await record(id);
        assertFields(kept, { state: "failed", attempts: 0, crashes: 2, token: null });
        assert.equal(kept.error?.code, "JOB_CRASHED");
        assert.deepEqual(
          kept.history.map(({ outcome }) => outcome),
          ["lost", "lost"],
        );
        assert.deepEqual(await (await worker()).claim(), []);
      },
    },
    {
      name: "of jobs that ran beside each other are charged to none",
      async run({ worker, enqueueMany, advance, sweep, putType, store }) {
        await putType({ maxCrashes: 1 });
        const ids = await enqueueMany(2);
        await (await worker({ leaseDurationMs: HOUR_MS })).claim();
        await advance(2 * HOUR_MS);
        const { takenBack, crashed } = await sweep();
        assert.deepEqual({ takenBack, crashed }, { takenBack: 2, crashed: 0 });
        for (const record of await store.get({ ids })) {
          assert.deepEqual([record?.state, record?.crashes], ["ready", 0]);
        }
      },
    },
    {
      name: "are bounded for a type that nobody made known, too",
      async run(world) {
        const [id = ""] = await world.enqueue({});
        const deaths = await runAmong(world, new Set([id]), 1);
        assert.ok(deaths >= 1 && deaths <= 10, `${deaths} deaths`);
        assert.equal((await world.record(id)).error?.code, "JOB_CRASHED");
      },
    },
    {
      name: "find the one that kills among its neighbours, who all end well and are not charged",
      async run(world) {
        await world.putType({ maxCrashes: 3 });
        const ids = await world.enqueueMany(20);
        const killer = ids[7] ?? "";
        const deaths = await runAmong(world, new Set([killer]), 10);
        assert.ok(deaths <= 15, `${deaths} workers died of one job`);
        const records = await world.store.get({ ids });
        for (const [index, id] of ids.entries()) {
          const record = records[index];
          assert.equal(record?.state, id === killer ? "failed" : "succeeded");
          assert.equal(record.crashes, id === killer ? 3 : 0);
        }
      },
    },
    {
      name: "find several that kill, without stopping the others",
      async run(world) {
        await world.putType({ maxCrashes: 2 });
        const ids = await world.enqueueMany(16);
        const killers = new Set([ids[3] ?? "", ids[4] ?? "", ids[12] ?? ""]);
        await runAmong(world, killers, 8);
        const records = await world.store.get({ ids });
        assert.deepEqual(
          records.map((record) => record?.state),
          ids.map((id) => (killers.has(id) ? "failed" : "succeeded")),
        );
      },
    },
    {
      name: "by workers that had only begun are not what fails a job",
      async run({ worker, enqueue, advance, sweep, putType, record }) {
        await putType({ maxCrashes: 3 });
        const [id = ""] = await enqueue({});
        let deaths = 0;
        for (let start = 0; start < 6; start += 1) {
          const one = await worker({ leaseDurationMs: HOUR_MS });
          deaths += (await one.claim({ isYoung: true })).length;
          await advance(2 * HOUR_MS);
          await sweep();
        }
        assert.equal(deaths, 2);
        assertFields(await record(id), { state: "ready", crashes: 2 });
        const grown = await worker();
        assert.deepEqual(await grown.claim({ isYoung: true }), []);
        assert.deepEqual(
          (await grown.claim()).map((claimed) => claimed.id),
          [id],
        );
      },
    },
    {
      name: "are forgotten when the job is retried by hand",
      async run(world) {
        await world.putType({ maxCrashes: 1 });
        const [id = ""] = await world.enqueue({});
        await runAmong(world, new Set([id]), 1);
        await world.store.retry({ ids: [id] });
        const { claimOne, settle } = await world.worker();
        const claimed = await claimOne();
        assert.equal(claimed.crashes, 0);
        await settle(outcomes.succeeded(), claimed);
        assertFields(await world.record(id), { state: "succeeded", crashes: 0 });
      },
    },
  ],
};
