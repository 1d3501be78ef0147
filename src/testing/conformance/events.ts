// Events: what becomes of jobs is told to those who follow, in order, wherever they are.
import assert from "node:assert/strict";
import type { JobEvent } from "../../core/events.ts";
import type { Store } from "../../core/store.ts";
import { cancelError } from "../../core/transitions.ts";
import type { Topic } from "./harness.ts";
import { FAILURE, REMOVE_AT_ONCE, outcomes } from "./worker.ts";
import { HOUR_MS, MINUTE_MS, type World, assertNear, eventually } from "./world.ts";

const kindsOf = (events: readonly JobEvent[], id?: string): readonly string[] =>
  events.filter((event) => id === undefined || event.id === id).map(({ kind }) => kind);

/** What differs between two tellings of one event: the job, the time and who ran it. */
function bare({ id, atMs, ...event }: JobEvent): object {
  assert.ok(id !== "" && Number.isInteger(atMs));
  return "worker" in event ? { ...event, worker: "any" } : event;
}

const mail = { type: "mail", queue: "mail" } as const;

/** A life with all that a worker can make of it. */
async function live({ store, enqueue, worker }: World): Promise<string> {
  const [id = ""] = await enqueue({});
  const { claimOne, settle } = await worker();
  await settle(outcomes.retry(0), await claimOne());
  await settle(outcomes.snooze(0), await claimOne());
  await settle(outcomes.release(), await claimOne());
  const last = await claimOne();
  await store.report({ reports: [{ id, token: last.token, progress: "0.5" }] });
  await settle(outcomes.succeeded("42"), last);
  await store.remove({ ids: [id] });
  return id;
}

const LIFE = [
  { ...mail, kind: "enqueued", state: "ready" },
  { ...mail, kind: "started", worker: "any", attempt: 1 },
  { ...mail, kind: "retrying", error: FAILURE, delayMs: 0 },
  { ...mail, kind: "started", worker: "any", attempt: 2 },
  { ...mail, kind: "snoozed", delayMs: 0 },
  { ...mail, kind: "started", worker: "any", attempt: 2 },
  { ...mail, kind: "readied", why: "released" },
  { ...mail, kind: "started", worker: "any", attempt: 2 },
  { ...mail, kind: "progress", progress: "0.5" },
  { ...mail, kind: "succeeded", result: "42" },
  { ...mail, kind: "removed" },
];

export const eventsTopic: Topic = {
  name: "events",
  cases: [
    {
      name: "tell the life of a job in order",
      async run(world) {
        const { take, gaps } = await world.follow();
        const id = await live(world);
        const events = await take(LIFE.length);
        assert.deepEqual(events.map(bare), LIFE);
        assert.ok(events.every((event) => event.id === id));
        assertNear(events.at(-1)?.atMs ?? null, await world.now(), "atMs");
        assert.deepEqual(gaps, []);
      },
    },
    {
      name: "tell the life of a job to another store object, in order",
      needs: ["events", "second-object"],
      async run(world) {
        const second: Store = await world.openSecond();
        const { take, gaps } = await world.follow({}, second);
        await live(world);
        assert.deepEqual((await take(LIFE.length)).map(bare), LIFE);
        assert.deepEqual(gaps, []);
      },
    },
    {
      name: "tell of failures, cancellations and retries by hand",
      isAboutOrder: true,
      async run({ store, enqueue, worker, follow }) {
        const { take } = await follow();
        const [failed = "", cancelled = ""] = await enqueue({}, { delayMs: HOUR_MS });
        const { claimOne, settle } = await worker();
        await settle(outcomes.failed(), await claimOne());
        await store.cancel({ ids: [cancelled], reason: "no need" });
        await store.retry({ ids: [failed] });
        await store.cancel({ ids: [failed], reason: "after all" });
        const events = await take(7);
        assert.deepEqual(events.filter(({ id }) => id === failed).map(bare), [
          { ...mail, kind: "enqueued", state: "ready" },
          { ...mail, kind: "started", worker: "any", attempt: 1 },
          { ...mail, kind: "failed", error: FAILURE },
          { ...mail, kind: "readied", why: "asked" },
          { ...mail, kind: "cancelled", error: cancelError("after all") },
        ]);
        assert.deepEqual(events.filter(({ id }) => id === cancelled).map(bare), [
          { ...mail, kind: "enqueued", state: "scheduled" },
          { ...mail, kind: "cancelled", error: cancelError("no need") },
        ]);
      },
    },
    {
      name: "tell of what a sweep does: lost workers, expiry, withdrawal, removal",
      isAboutOrder: true,
      needs: ["cancel-running"],
      async run({ store, enqueue, worker, follow, advance, sweep, putType }) {
        const [expires = "", lost = "", asked = "", ended = ""] = await enqueue(
          { type: "other", expireAfterMs: MINUTE_MS },
          {},
          {},
          {},
        );
        await putType({ cancelGraceMs: MINUTE_MS });
        const { take, events } = await follow();
        const dying = await worker({ leaseDurationMs: 2 * HOUR_MS });
        await dying.claimOne();
        const living = await worker({ leaseDurationMs: 100 * HOUR_MS });
        await living.claimOne();
        await living.settle(
          outcomes.succeeded("1", { ageMs: MINUTE_MS, count: 9 }),
          await living.claimOne(),
        );
        await store.cancel({ ids: [asked], reason: "enough" });
        await advance(3 * HOUR_MS);
        await sweep();
        await take(8);
        assert.deepEqual(kindsOf(events, expires), ["failed"]);
        assert.deepEqual(kindsOf(events, lost), ["started", "readied"]);
        assert.deepEqual(kindsOf(events, asked), ["started", "cancelled"]);
        assert.deepEqual(kindsOf(events, ended), ["started", "succeeded", "removed"]);
      },
    },
    {
      name: "tell of a removal at once after the end",
      async run({ enqueue, worker, follow }) {
        const { take } = await follow();
        await enqueue({});
        const { claimOne, settle } = await worker();
        await settle(outcomes.succeeded("7", REMOVE_AT_ONCE), await claimOne());
        assert.deepEqual(kindsOf(await take(4)), ["enqueued", "started", "succeeded", "removed"]);
      },
    },
    {
      name: "tell of log lines, those with the end included",
      needs: ["logs"],
      async run({ store, enqueue, worker, follow }) {
        const [id = ""] = await enqueue({});
        const { take } = await follow({ id });
        const { claimOne, exchange } = await worker();
        const { token } = await claimOne();
        const line = { level: "warn", message: "careful", atMs: 3 } as const;
        await store.report({ reports: [{ id, token, logs: [line] }] });
        await exchange([{ id, token, outcome: outcomes.succeeded(), logs: [line], progress: "1" }]);
        const events = await take(5);
        assert.deepEqual([...kindsOf(events)].sort(), [
          "log",
          "log",
          "progress",
          "started",
          "succeeded",
        ]);
        assert.equal(events.at(-1)?.kind, "succeeded");
        assert.deepEqual(bare(events[1] ?? assert.fail()), {
          ...mail,
          kind: "log",
          level: "warn",
          message: "careful",
        });
      },
    },
    {
      name: "come for one job, or one type, where that is asked",
      isAboutOrder: true,
      async run({ enqueue, follow, worker }) {
        const ofType = await follow({ type: "b" });
        const everything = await follow();
        const [a = "", , otherB = ""] = await enqueue({ type: "a" }, { type: "b" }, { type: "b" });
        const ofJob = await follow({ id: otherB });
        const { claim, settle } = await worker();
        const offers = ["a", "b"].map((name) => ({ queue: name, type: name, capacity: 9 }));
        await settle(outcomes.succeeded(), ...(await claim({ offers })));
        await everything.take(9);
        await ofType.take(6);
        assert.deepEqual(kindsOf(await ofJob.take(2)), ["started", "succeeded"]);
        assert.ok(ofType.events.every(({ type }) => type === "b"));
        assert.deepEqual(kindsOf(everything.events, a), ["enqueued", "started", "succeeded"]);
        assert.equal(ofJob.events.length, 2);
      },
    },
    {
      name: "come from now on, and no more once the subscription is closed",
      async run({ enqueue, follow }) {
        await enqueue({});
        const { events, close, take } = await follow();
        const [second = ""] = await enqueue({});
        await take(1);
        assert.deepEqual(
          events.map(({ id }) => id),
          [second],
        );
        await close();
        await close();
        const other = await follow();
        await enqueue({});
        await other.take(1);
        assert.equal(events.length, 1);
      },
    },
    {
      name: "of one namespace stay there",
      async run({ enqueue, follow, openElsewhere, job }) {
        const elsewhere = await openElsewhere();
        const { events } = await follow();
        const there = await follow({}, elsewhere);
        await elsewhere.enqueue({ jobs: [job()] });
        await there.take(1);
        const [here = ""] = await enqueue({});
        await eventually(() => events.some(({ id }) => id === here), "the event should come");
        assert.equal(events.length, 1);
      },
    },
    {
      name: "that a follower may have missed while it was held up are told as a gap",
      needs: ["events", "second-object"],
      async run({ enqueue, follow, openSecond, advance }) {
        const { events, gaps } = await follow({}, await openSecond());
        await advance(HOUR_MS);
        await enqueue({});
        await eventually(
          () => events.length > 0 || gaps.length > 0,
          "the event should come, or a gap be told",
        );
      },
    },
    {
      name: "of a burst all come, or a gap is told",
      needs: ["events", "second-object"],
      async run({ enqueueMany, follow, openSecond }) {
        const second = await openSecond();
        const { events, gaps } = await follow({}, second);
        for (let batch = 0; batch < 10; batch += 1) await enqueueMany(500);
        await eventually(
          () => events.length >= 5_000 || gaps.length > 0,
          "all events should come, or a gap",
        );
        assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
      },
    },
  ],
};
