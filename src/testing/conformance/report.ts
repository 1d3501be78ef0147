// Reports: progress and log lines of running jobs, bounded, and only from the claim that stands.
import assert from "node:assert/strict";
import { MAX_LOG_LINES, MAX_LOG_LINE_LENGTH, MAX_PAGE } from "../../core/limits.ts";
import type { NewLogLine } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { REMOVE_AT_ONCE, outcomes } from "./worker.ts";
import { assertFields } from "./world.ts";

const line = (message: string, atMs = 1): NewLogLine => ({ level: "info", message, atMs });

export const reportTopic: Topic = {
  name: "reports",
  cases: [
    {
      name: "keep the latest progress, also within one call",
      async run({ store, enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        const claimed = await claimOne();
        const { token } = claimed;
        const replies = await store.report({
          reports: [
            { id, token, progress: "0.1" },
            { id, token, progress: '{"step":2}' },
          ],
        });
        assert.deepEqual(replies, [true, true]);
        assertFields(await record(id), { progress: '{"step":2}', state: "running" });
        await settle(outcomes.succeeded(), claimed);
        assert.equal((await record(id)).progress, '{"step":2}');
      },
    },
    {
      name: "are refused where the claim does not stand, and change nothing",
      isAboutOrder: true,
      async run({ store, enqueue, worker, record, job }) {
        const [running = "", waiting = ""] = await enqueue({}, {});
        const { claimOne, settle } = await worker();
        const claimed = await claimOne();
        const { token } = claimed;
        const progress = "1";
        assert.deepEqual(
          await store.report({
            reports: [
              { id: running, token: "x.1", progress },
              { id: waiting, token, progress },
              { id: job().id, token, progress },
              { id: running, token, progress: "0.5" },
            ],
          }),
          [false, false, false, true],
        );
        assert.equal((await record(running)).progress, "0.5");
        assert.equal((await record(waiting)).progress, null);
        await settle(outcomes.retry(0), claimed);
        assert.deepEqual(await store.report({ reports: [{ id: running, token, progress }] }), [
          false,
        ]);
      },
    },
    {
      name: "begin anew with every try",
      async run({ store, enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        const first = await claimOne();
        await store.report({ reports: [{ id, token: first.token, progress: "0.9" }] });
        await settle(outcomes.retry(0), first);
        assert.equal((await record(id)).progress, "0.9");
        await claimOne();
        assert.equal((await record(id)).progress, null);
      },
    },
    {
      name: "keep log lines in order, over all tries, and give them in pages",
      isAboutOrder: true,
      needs: ["logs"],
      async run({ store, enqueue, worker, job }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        const first = await claimOne();
        const odd = `\u2028 "x" 😀\n${"y".repeat(MAX_LOG_LINE_LENGTH - 20)}`;
        await store.report({
          reports: [
            { id, token: first.token, logs: [line("one", 11), { ...line(odd), level: "error" }] },
          ],
        });
        await settle(outcomes.retry(0), first);
        const second = await claimOne();
        await store.report({
          reports: [{ id, token: second.token, logs: [line("three"), line("four")] }],
        });
        await settle(outcomes.succeeded(), second);
        assert.deepEqual(await store.logs({ id, limit: 2 }), [
          { seq: 1, level: "info", message: "one", atMs: 11 },
          { seq: 2, level: "error", message: odd, atMs: 1 },
        ]);
        const rest = await store.logs({ id, afterSeq: 2, limit: 10 });
        assert.deepEqual(
          rest.map(({ seq, message }) => ({ seq, message })),
          [
            { seq: 3, message: "three" },
            { seq: 4, message: "four" },
          ],
        );
        assert.deepEqual(await store.logs({ id, afterSeq: 4, limit: 10 }), []);
        assert.deepEqual(await store.logs({ id: job().id, limit: 10 }), []);
      },
    },
    {
      name: "keep the first log lines up to the bound, and drop the others",
      needs: ["logs"],
      async run({ store, enqueue, worker }) {
        const [id = ""] = await enqueue({});
        const { claimOne } = await worker();
        const { token } = await claimOne();
        for (let from = 0; from < MAX_LOG_LINES + 200; from += 400) {
          const logs = Array.from({ length: 400 }, (_, index) => line(`line ${from + index + 1}`));
          assert.deepEqual(await store.report({ reports: [{ id, token, logs }] }), [true]);
        }
        const kept = await store.logs({ id, limit: MAX_PAGE });
        assert.deepEqual(await store.logs({ id, afterSeq: MAX_LOG_LINES, limit: MAX_PAGE }), []);
        assert.deepEqual(
          kept.map(({ seq, message }) => ({ seq, message })),
          Array.from({ length: MAX_LOG_LINES }, (_, index) => ({
            seq: index + 1,
            message: `line ${index + 1}`,
          })),
        );
      },
    },
    {
      name: "of a superseded claim leave no log lines",
      needs: ["logs"],
      async run({ store, enqueue, worker }) {
        const [id = ""] = await enqueue({});
        await (await worker()).claimOne();
        const reports = [{ id, token: "x.1", logs: [line("late")], progress: "1" }];
        assert.deepEqual(await store.report({ reports }), [false]);
        assert.deepEqual(await store.logs({ id, limit: 10 }), []);
      },
    },
    {
      name: "go with the job",
      isAboutOrder: true,
      needs: ["logs"],
      async run({ store, enqueueMany, worker }) {
        const ids = await enqueueMany(2);
        const { claim, settle } = await worker();
        const claimed = await claim();
        await store.report({
          reports: claimed.map(({ id, token }) => ({ id, token, logs: [line("here")] })),
        });
        const [first, second] = claimed;
        assert.ok(first !== undefined && second !== undefined);
        await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), first);
        await settle(outcomes.succeeded("1"), second);
        await store.remove({ ids: [second.id] });
        for (const id of ids) assert.deepEqual(await store.logs({ id, limit: 10 }), []);
      },
    },
  ],
};
