// Settling: how tries end, and whose word counts.
import assert from "node:assert/strict";
import { MAX_KEPT_ATTEMPTS } from "../../core/job.ts";
import type { NewJob } from "../../core/store.ts";
import type { Topic } from "./harness.ts";
import { FAILURE, REMOVE_AT_ONCE, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, type World, assertFields, assertNear } from "./world.ts";

const STALE = { accepted: false, why: "stale" } as const;
const GONE = { accepted: false, why: "gone" } as const;

/** A job of one worker whose end another one tells, under the token of the first. */
async function keepsWhoRan(
  { enqueue, worker, record }: World,
  options: Partial<NewJob>,
): Promise<void> {
  const [id = ""] = await enqueue(options);
  const ran = await worker();
  const claimed = await ran.claimOne();
  const teller = await worker();
  assert.deepEqual(await teller.settle(outcomes.succeeded(), claimed), ["succeeded"]);
  assertFields(await record(id), { state: "succeeded", worker: ran.id });
}

export const settleTopic: Topic = {
  name: "settling",
  cases: [
    {
      name: "keeps the result of a success, until its retention ends",
      async run({ enqueue, worker, record, now }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle, id: worked } = await worker();
        const retention = { ageMs: HOUR_MS, count: 5 };
        assert.deepEqual(
          await settle(outcomes.succeeded('{"sum":3}', retention), await claimOne()),
          ["succeeded"],
        );
        const kept = await record(id);
        assertNear(kept.finishedAtMs, await now(), "finishedAtMs");
        assertFields(kept, {
          state: "succeeded",
          result: '{"sum":3}',
          error: null,
          attempts: 1,
          worker: worked,
          token: null,
          removeAtMs: (kept.finishedAtMs ?? 0) + HOUR_MS,
          history: [],
        });
      },
    },
    {
      name: "keeps the worker that ran the job, whoever told of its end",
      run: (world) => keepsWhoRan(world, {}),
    },
    {
      name: "keeps the worker that ran a job with keys, whoever told of its end",
      needs: ["limits"],
      async run(world) {
        await world.putType({ limits: [{ name: "customer", concurrency: 1, rate: null }] });
        await keepsWhoRan(world, { keys: [{ limit: "customer", key: "a" }] });
      },
    },
    {
      name: "keeps the error of a failure, and the try",
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle, id: worked } = await worker();
        const claimed = await claimOne();
        assert.deepEqual(await settle(outcomes.failed(), claimed), ["failed"]);
        const kept = await record(id);
        assertFields(kept, {
          state: "failed",
          result: null,
          error: FAILURE,
          attempts: 1,
          token: null,
          history: [
            {
              attempt: 1,
              worker: worked,
              startedAtMs: claimed.startedAtMs,
              endedAtMs: kept.finishedAtMs ?? 0,
              outcome: "failed",
              error: FAILURE,
            },
          ],
        });
      },
    },
    {
      name: "keeps a cancellation that the worker tells, its try not counted",
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        assert.deepEqual(await settle(outcomes.cancelled(), await claimOne()), ["cancelled"]);
        const kept = await record(id);
        assertFields(kept, { state: "cancelled", error: FAILURE, attempts: 0, token: null });
        assert.deepEqual(
          kept.history.map(({ outcome }) => outcome),
          ["cancelled"],
        );
      },
    },
    {
      name: "counts a retry, and clears its error when a later try succeeds",
      async run({ enqueue, worker, record, advance }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        const first = await claimOne();
        await settle(outcomes.retry(MINUTE_MS), first);
        const waiting = await record(id);
        assertFields(waiting, { state: "scheduled", attempts: 1, error: FAILURE, token: null });
        assert.equal(waiting.dueAtMs, (waiting.history[0]?.endedAtMs ?? 0) + MINUTE_MS);
        await advance(MINUTE_MS);
        const second = await claimOne();
        assert.deepEqual([second.attempt, second.dueAtMs], [2, waiting.dueAtMs]);
        assert.notEqual(second.token, first.token);
        await settle(outcomes.succeeded(), second);
        const ended = await record(id);
        assertFields(ended, { state: "succeeded", attempts: 2, error: null });
        assert.deepEqual(
          ended.history.map(({ outcome, attempt }) => ({ outcome, attempt })),
          [{ outcome: "failed", attempt: 1 }],
        );
      },
    },
    {
      name: "puts a retry without a delay back in its place",
      isAboutOrder: true,
      async run({ enqueue, worker }) {
        const ids = await enqueue({}, {});
        const { claimOne, settle, claim } = await worker();
        assert.deepEqual(await settle(outcomes.retry(0), await claimOne()), ["ready"]);
        assert.deepEqual(
          (await claim()).map(({ id, attempt }) => ({ id, attempt })),
          ids.map((id, index) => ({ id, attempt: index === 0 ? 2 : 1 })),
        );
      },
    },
    {
      name: "does not count a snooze or a release, and puts a release back in its place",
      isAboutOrder: true,
      async run({ enqueue, worker, record, advance }) {
        const [id = "", next = ""] = await enqueue({}, {});
        const { claimOne, settle } = await worker();
        assert.deepEqual(await settle(outcomes.release(), await claimOne()), ["ready"]);
        const again = await claimOne();
        assert.deepEqual([again.id, again.attempt], [id, 1]);
        await settle(outcomes.snooze(MINUTE_MS), again);
        assert.equal((await claimOne()).id, next);
        await advance(MINUTE_MS);
        const third = await claimOne();
        assert.deepEqual([third.id, third.attempt], [id, 1]);
        const kept = await record(id);
        assertFields(kept, { attempts: 0, crashes: 0, error: null });
        assert.deepEqual(
          kept.history.map(({ outcome }) => outcome),
          ["released", "snoozed"],
        );
      },
    },
    {
      name: "keeps the latest tries, and exact counts of all",
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle } = await worker();
        const tries = MAX_KEPT_ATTEMPTS + 3;
        for (let index = 1; index <= tries; index += 1) {
          const one = await claimOne();
          assert.equal(one.attempt, index);
          await settle(outcomes.retry(0, { name: "Error", message: `no ${index}` }), one);
        }
        const kept = await record(id);
        assert.equal(kept.attempts, tries);
        assert.deepEqual(
          kept.history.map(({ error }) => error?.message),
          Array.from({ length: MAX_KEPT_ATTEMPTS }, (_, index) => `no ${index + 4}`),
        );
      },
    },
    {
      name: "refuses another token, and leaves the job as it was",
      isAboutOrder: true,
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, exchange, settle } = await worker();
        const claimed = await claimOne();
        const before = await record(id);
        for (const token of ["", `${claimed.token}0`, claimed.token.toUpperCase(), "x.1"]) {
          if (token === claimed.token) continue;
          for (const outcome of Object.values({
            ...outcomes,
            snooze: () => outcomes.snooze(0),
          }).map((make) => make())) {
            const { settled } = await exchange([{ id, token, outcome, progress: "1" }]);
            assert.deepEqual(settled, [STALE]);
          }
        }
        assert.deepEqual(await record(id), before);
        await settle(outcomes.succeeded(), claimed);
      },
    },
    {
      name: "refuses a second settlement, and counts the first once",
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, settle, trySettle } = await worker();
        const claimed = await claimOne();
        await settle(outcomes.succeeded("1"), claimed);
        assert.deepEqual(await trySettle(outcomes.failed(), claimed), [STALE]);
        assert.deepEqual(await trySettle(outcomes.succeeded("2"), claimed, claimed), [
          STALE,
          STALE,
        ]);
        assertFields(await record(id), { state: "succeeded", attempts: 1, result: "1" });
      },
    },
    {
      name: "of one claim, many times at one moment, is accepted once",
      async run({ enqueue, worker, record }) {
        const [id = ""] = await enqueue({});
        const { claimOne, trySettle } = await worker();
        const claimed = await claimOne();
        const replies = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            trySettle(index % 2 === 0 ? outcomes.succeeded() : outcomes.retry(), claimed),
          ),
        );
        assert.equal(replies.flat().filter(({ accepted }) => accepted).length, 1);
        assert.equal((await record(id)).attempts, 1);
      },
    },
    {
      name: "refuses the word of a claim that was superseded, and keeps that of the newer one",
      async run({ enqueue, worker, advance, sweep, record }) {
        const [id = ""] = await enqueue({});
        const late = await worker({ leaseDurationMs: HOUR_MS });
        const lateClaim = await late.claimOne();
        await advance(2 * HOUR_MS);
        await sweep();
        const next = await worker();
        const nextClaim = await next.claimOne();
        assert.equal(nextClaim.id, id);
        assert.deepEqual(await late.trySettle(outcomes.succeeded('"late"'), lateClaim), [STALE]);
        await next.settle(outcomes.succeeded('"new"'), nextClaim);
        assert.deepEqual(await late.trySettle(outcomes.failed(), lateClaim), [STALE]);
        assertFields(await record(id), { state: "succeeded", result: '"new"', attempts: 1 });
      },
    },
    {
      name: "says that a job is gone which is not kept",
      isAboutOrder: true,
      async run({ enqueue, worker, job, store }) {
        await enqueue({});
        const { claimOne, settle, trySettle } = await worker();
        const claimed = await claimOne();
        await settle(outcomes.succeeded("1", REMOVE_AT_ONCE), claimed);
        assert.deepEqual(await trySettle(outcomes.succeeded(), claimed), [GONE]);
        assert.deepEqual(await trySettle(outcomes.retry(), { ...claimed, id: job().id }), [GONE]);
        assert.deepEqual(await store.get({ ids: [claimed.id] }), [null]);
      },
    },
    {
      name: "answers in the order of the settlements, each for itself",
      isAboutOrder: true,
      async run({ enqueueMany, worker, store }) {
        await enqueueMany(6);
        const { claim, exchange } = await worker();
        const [a, b, c, d, e, f] = await claim();
        assert.ok(a && b && c && d && e && f);
        const of = ({ id, token }: typeof a, outcome = outcomes.succeeded()) => ({
          id,
          token,
          outcome,
        });
        const { settled } = await exchange([
          of(a, outcomes.failed()),
          of({ ...b, token: "x.1" }),
          of(c, outcomes.retry(MINUTE_MS)),
          of(c),
          of(d, outcomes.succeeded("1", REMOVE_AT_ONCE)),
          of(d),
          of(e, outcomes.release()),
          of(f, outcomes.cancelled()),
          of(b),
        ]);
        assert.deepEqual(settled, [
          { accepted: true, state: "failed" },
          STALE,
          { accepted: true, state: "scheduled" },
          STALE,
          { accepted: true, state: "succeeded" },
          GONE,
          { accepted: true, state: "ready" },
          { accepted: true, state: "cancelled" },
          { accepted: true, state: "succeeded" },
        ]);
        const states = await store.get({ ids: [a, b, c, d, e, f].map(({ id }) => id) });
        assert.deepEqual(
          states.map((each) => each?.state ?? null),
          ["failed", "succeeded", "scheduled", null, "ready", "cancelled"],
        );
      },
    },
    {
      name: "keeps last words with the end, in one act",
      async run({ enqueueMany, worker, record }) {
        await enqueueMany(4);
        const { claim, exchange } = await worker();
        const claimed = await claim();
        const ends = [
          outcomes.succeeded(),
          outcomes.failed(),
          outcomes.retry(),
          outcomes.release(),
        ];
        const { settled } = await exchange(
          claimed.map(({ id, token }, index) => ({
            id,
            token,
            progress: `${index}`,
            outcome: ends[index] ?? outcomes.release(),
          })),
        );
        assert.ok(settled.every(({ accepted }) => accepted));
        for (const [index, { id }] of claimed.entries()) {
          assert.equal((await record(id)).progress, `${index}`);
        }
      },
    },
    {
      name: "keeps last log lines with the end, and not those of a refused one",
      needs: ["logs"],
      async run({ enqueue, worker, store }) {
        const [id = ""] = await enqueue({});
        const { claimOne, exchange } = await worker();
        const { token } = await claimOne();
        const logs = [{ level: "warn", message: "the end", atMs: 5 }] as const;
        await exchange([{ id, token: "x.1", outcome: outcomes.failed(), logs }]);
        assert.deepEqual(await store.logs({ id, limit: 10 }), []);
        await exchange([{ id, token, outcome: outcomes.succeeded(), logs }]);
        assert.deepEqual(await store.logs({ id, limit: 10 }), [
          { seq: 1, level: "warn", message: "the end", atMs: 5 },
        ]);
      },
    },
  ],
};
