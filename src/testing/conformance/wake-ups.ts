// Wake-ups: an idle worker is told that there may be something, so that it need not ask all the time.
import assert from "node:assert/strict";
import type { Topic } from "./harness.ts";
import type { StoreWorker } from "./worker.ts";
import { outcomes } from "./worker.ts";
import { HOUR_MS, eventually } from "./world.ts";

/** Waits for quiet, acts, and waits for the worker to be woken by it. */
async function wakesBy(sleeper: StoreWorker, act: () => Promise<unknown>): Promise<void> {
  assert.deepEqual((await sleeper.claim({ capacity: 10 })).length, 0, "the worker should be idle");
  const before = sleeper.wakes();
  await act();
  await eventually(() => sleeper.wakes() > before, "the worker should be woken");
}

export const wakeUpsTopic: Topic = {
  name: "wake-ups",
  cases: [
    {
      name: "come with an enqueue, again and again",
      async run({ worker, enqueue }) {
        const sleeper = await worker();
        for (let round = 0; round < 5; round += 1) {
          await wakesBy(sleeper, () => enqueue({}));
          assert.equal((await sleeper.claim()).length, 1);
        }
      },
    },
    {
      name: "come with an enqueue through another store object",
      needs: ["second-object"],
      async run({ worker, openSecond, job }) {
        const sleeper = await worker();
        const second = await openSecond();
        for (let round = 0; round < 5; round += 1) {
          await wakesBy(sleeper, () => second.enqueue({ jobs: [job()] }));
          assert.equal((await sleeper.claim()).length, 1);
        }
      },
    },
    {
      name: "come when a queue goes on",
      async run({ worker, enqueue, store }) {
        const sleeper = await worker();
        await store.setPaused({ queue: "mail", paused: true, by: "ops", reason: "r" });
        await enqueue({});
        await wakesBy(sleeper, () =>
          store.setPaused({ queue: "mail", paused: false, by: "ops", reason: "r" }),
        );
        assert.equal((await sleeper.claim()).length, 1);
      },
    },
    {
      name: "come when a job is given back, or made ready by hand",
      async run({ worker, enqueue, store }) {
        const [id = ""] = await enqueue({});
        const busy = await worker();
        const sleeper = await worker();
        const claimed = await busy.claimOne();
        await wakesBy(sleeper, () => busy.settle(outcomes.release(), claimed));
        const again = await busy.claimOne();
        await busy.settle(outcomes.failed(), again);
        await wakesBy(sleeper, () => store.retry({ ids: [id] }));
        assert.equal((await sleeper.claimOne()).id, id);
      },
    },
    {
      name: "come when a worker leaves its jobs, or loses them",
      async run({ worker, enqueue, advance, store }) {
        const [id = ""] = await enqueue({});
        const leaving = await worker();
        await leaving.claimOne();
        const sleeper = await worker({ leaseDurationMs: 100 * HOUR_MS });
        await wakesBy(sleeper, () => leaving.attachment.close());
        const dying = await worker({ leaseDurationMs: HOUR_MS });
        await dying.claimOne();
        await advance(2 * HOUR_MS);
        await wakesBy(sleeper, () => store.sweep({ limit: 100 }));
        assert.equal((await sleeper.claimOne()).id, id);
      },
    },
    {
      name: "come no more after the attachment is closed",
      async run({ worker, enqueue }) {
        const left = await worker();
        const stays = await worker();
        await left.attachment.close();
        const before = left.wakes();
        await wakesBy(stays, () => enqueue({}));
        assert.equal(left.wakes(), before);
      },
    },
    {
      name: "go to a worker that stays where one with more slots left or died while it was idle",
      async run({ worker, enqueue, advance }) {
        const leaving = await worker();
        const dying = await worker({ leaseDurationMs: HOUR_MS });
        const stays = await worker({ leaseDurationMs: 100 * HOUR_MS });
        await enqueue({});
        await stays.settle(outcomes.succeeded(), await stays.claimOne());
        for (const idle of [leaving, dying]) {
          assert.deepEqual(await idle.claim({ capacity: 1_000 }), []);
        }
        await leaving.attachment.close();
        await advance(2 * HOUR_MS);
        await wakesBy(stays, () => enqueue({}));
      },
    },
  ],
};
