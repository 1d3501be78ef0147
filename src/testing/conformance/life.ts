// The life of a store object: what it says of itself, and its end.
import assert from "node:assert/strict";
import { isMillraceError } from "../../core/errors.ts";
import { CAPABILITIES, DURABILITIES } from "../../core/store-description.ts";
import type { Topic } from "./harness.ts";
import { HOUR_MS, SLACK_MS, eventually } from "./world.ts";

export const lifeTopic: Topic = {
  name: "a store object",
  cases: [
    {
      name: "says what it is, where, and what can be lost",
      async run({ store, namespace }) {
        const told = await store.describe();
        assert.equal(told.namespace, namespace);
        assert.equal(told.durability, store.durability);
        assert.ok(DURABILITIES.includes(store.durability));
        for (const text of [told.kind, told.version, told.location, told.canLose]) {
          assert.ok(typeof text === "string" && text.length > 0);
        }
        assert.ok(Array.isArray(told.findings));
        for (const { level, message } of told.findings) {
          assert.ok(["ok", "warning", "problem"].includes(level) && message.length > 0);
        }
        assert.equal(told.isFull, false);
        const known: readonly string[] = CAPABILITIES;
        assert.ok([...store.capabilities].every((capability) => known.includes(capability)));
      },
    },
    {
      name: "has a clock that goes forward",
      async run({ now, advance }) {
        const before = await now();
        await advance(HOUR_MS);
        const passed = (await now()) - before;
        assert.ok(passed >= HOUR_MS && passed <= HOUR_MS + SLACK_MS, `${passed} ms passed`);
      },
    },
    {
      name: "can be closed again and again, and at once",
      async run({ store, enqueue }) {
        await enqueue({});
        await Promise.all([store.close(), store.close()]);
        await store.close();
      },
    },
    {
      name: "refuses calls once it is closed, by their own code",
      async run({ store, job }) {
        await store.close();
        const worker = {
          id: "w",
          host: "h",
          pid: 1,
          concurrency: 1,
          labels: [],
          queues: [],
          types: [],
          version: "0",
        };
        const listener = { wake: () => undefined, cancel: () => undefined, lost: () => undefined };
        const calls: readonly (() => Promise<unknown>)[] = [
          () => store.enqueue({ jobs: [job()] }),
          () => store.exchange({ worker: "w", settlements: [] }),
          () => store.report({ reports: [{ id: job().id, token: "t", progress: "1" }] }),
          () => store.attachWorker({ worker, leaseDurationMs: 1_000, listener }),
          () => store.workers(),
          () => store.get({ ids: [job().id] }),
          () => store.list({ filter: {}, limit: 1 }),
          () => store.logs({ id: job().id, limit: 1 }),
          () => store.cancel({ ids: [job().id], reason: "r" }),
          () => store.retry({ ids: [job().id] }),
          () => store.remove({ ids: [job().id] }),
          () => store.queues(),
          () => store.setPaused({ queue: "q", paused: true, by: "b", reason: "r" }),
          () => store.putTypes({ types: [] }),
          () => store.types(),
          () => store.sweep({ limit: 1 }),
          () => store.subscribe({ filter: {}, listener: () => undefined, onGap: () => undefined }),
          () => store.describe(),
        ];
        for (const call of calls) {
          await assert.rejects(
            // A call that throws at once would surprise a caller that awaits a promise.
            () => {
              const answer = call();
              assert.ok(answer instanceof Promise, "a closed store answers with a promise");
              return answer;
            },
            (thrown: unknown) => isMillraceError(thrown, "STORE_CLOSED"),
            call.toString(),
          );
        }
      },
    },
    {
      name: "answers or refuses every call that is under way when it is closed",
      async run({ store, job }) {
        const calls = Array.from({ length: 50 }, () => store.enqueue({ jobs: [job()] }));
        const closing = store.close();
        for (const result of await Promise.allSettled(calls)) {
          assert.ok(result.status === "fulfilled" || isMillraceError(result.reason));
        }
        await closing;
      },
    },
    {
      name: "gives back the jobs of its workers when it is closed, and falls silent",
      needs: ["second-object"],
      async run({ enqueue, worker, openSecond, store, follow }) {
        const second = await openSecond();
        const [id = ""] = await enqueue({});
        const { claimOne, wakes, losses } = await worker({ store: second });
        const { events } = await follow({}, second);
        await claimOne();
        await second.close();
        await eventually(
          async () => (await store.get({ ids: [id] }))[0]?.state === "ready",
          "the job should be given back",
        );
        assert.deepEqual(await store.workers(), []);
        const heard = { wakes: wakes(), losses: losses.length, events: events.length };
        const other = await worker();
        const { take } = await follow();
        await other.claimOne();
        await take(1);
        assert.deepEqual({ wakes: wakes(), losses: losses.length, events: events.length }, heard);
      },
    },
    {
      name: "finds what another kept, after that one was closed",
      needs: ["second-object"],
      async run({ enqueue, openSecond, store }) {
        const [id = ""] = await enqueue({ input: '"kept"' });
        await store.close();
        const second = await openSecond();
        const [record] = await second.get({ ids: [id] });
        assert.equal(record?.input, '"kept"');
      },
    },
  ],
};
