// Words of runs that say nothing but how far the runs are: in a call that does no more, wherever that is possible.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Advance } from "../../src/core/run.ts";
import type { ClaimedJob } from "../../src/core/store.ts";
import { ACT_ON_RUNS } from "../../src/stores/redis/scripts/act.ts";
import { EXCHANGE } from "../../src/stores/redis/scripts/exchange.ts";
import { TAKE_PLAIN_WORDS } from "../../src/stores/redis/scripts/plain-words.ts";
import { SPEAK } from "../../src/stores/redis/scripts/runs.ts";
import { recordOfRun, step } from "../../src/testing/conformance/run-cases.ts";
import {
  KEEP,
  REMOVE_AT_ONCE,
  type StoreWorker,
  offerOf,
  outcomes,
} from "../../src/testing/conformance/worker.ts";
import type { World } from "../../src/testing/conformance/world.ts";
import { TcpProxy } from "../chaos/harness/tcp-proxy.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { DONE, OFFERS, say } from "./plain-words-said.ts";
import { inRedisWorld } from "./redis-world.ts";
import { calledOf, rowsLeft } from "./scripts-called.ts";

// A server of its own, which tells what was called.
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis({
    args: ["--slowlog-log-slower-than", "0", "--slowlog-max-len", "1000"],
  });
});
afterAll(() => server.stop());

const inWorld = async (run: (world: World) => Promise<void>, url = server.url): Promise<void> =>
  inRedisWorld({ url }, run);

const OF_WORDS = [ACT_ON_RUNS, TAKE_PLAIN_WORDS, EXCHANGE, SPEAK];

const scriptsCalled = async (): Promise<readonly string[]> => calledOf(server, OF_WORDS);

async function beginRun(world: World, owner: StoreWorker, type = "flow"): Promise<ClaimedJob> {
  await world.enqueue({ type });
  return owner.claimOne({ offers: [offerOf(type)] });
}

const ALL = { afterEntries: 0, afterFact: null, limit: 10 };

async function isGone({ store }: World, id: string): Promise<boolean> {
  const [found = null] = await store.get({ ids: [id] });
  return found === null;
}

const rowsOf = async ({ namespace }: World, queue: string): Promise<readonly string[]> =>
  rowsLeft(server, namespace, queue);

test("runs of two queues say texts and their ends in one call a queue, and nothing is left of them", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const [first, second] = [
      await beginRun(world, owner),
      await beginRun(world, owner, "other-flow"),
    ];
    await scriptsCalled();
    const begun = await say(world, owner, [
      { run: first, from: 0, entries: ['"a"', '"ü"'], next: { kind: "waiting" } },
      { run: second, from: 0 },
    ]);
    expect(begun.advanced).toMatchObject([
      { accepted: true, claimed: [] },
      { accepted: true, claimed: [] },
    ]);
    expect(await scriptsCalled()).toEqual(["words", "words"]);
    expect(await world.record(first.id)).toMatchObject({ state: "waiting", entries: 2 });
    expect((await recordOfRun(world.store, first.id)).entries).toEqual(['"a"', '"ü"']);
    const more = { run: first, from: 2, entries: ['"c"'] };
    await say(world, owner, [more]);
    expect(await world.record(first.id)).toMatchObject({ state: "running", entries: 3 });
    await scriptsCalled();
    const ended = await say(world, owner, [
      { run: first, from: 3, entries: [], next: DONE },
      { run: second, from: 1, next: DONE },
    ]);
    expect(await scriptsCalled()).toEqual(["words", "words"]);
    expect(ended.advanced).toMatchObject([{ accepted: true }, { accepted: true }]);
    for (const { id } of [first, second]) {
      expect(await world.store.readRun({ ...ALL, id })).toBeNull();
      expect(await isGone(world, id)).toBe(true);
    }
    expect(await rowsOf(world, "flow")).toEqual([]);
    expect(await rowsOf(world, "other-flow")).toEqual([]);
  });
});

test("words said twice, too early or by a claim that is void are told apart", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const runs = [await beginRun(world, owner), await beginRun(world, owner)] as const;
    const [first, second] = runs;
    await say(world, owner, [{ run: first, from: 0 }]);
    await world.store.exchange({
      worker: owner.id,
      settlements: [{ id: second.id, token: second.token, outcome: { kind: "release" } }],
    });
    const third = await owner.claimOne({ offers: [offerOf("flow")] });
    expect(third.id).toBe(second.id);
    const late = await say(world, owner, [{ run: second, from: 0 }]);
    expect(late.advanced).toMatchObject([{ accepted: false, why: "stale" }]);
    const early = await say(world, owner, [
      { run: first, from: 0 },
      { run: third, from: 4 },
    ]);
    expect(early.advanced).toMatchObject([{ accepted: true }, { accepted: false, why: "stale" }]);
    expect((await recordOfRun(world.store, first.id)).entries).toEqual(['"0"']);
    await say(world, owner, [{ run: third, from: 0, next: DONE }]);
    const after = await say(world, owner, [{ run: third, from: 0, next: DONE }]);
    expect(after.advanced).toMatchObject([{ accepted: false, why: "gone" }]);
  });
});

test("a run of which more is kept than its record is removed with all of it", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    await world.enqueue({ type: "flow", tags: ["tagged"], expireAfterMs: 60_000 });
    const run = await owner.claimOne({ offers: [offerOf("flow")] });
    await world.store.report({
      reports: [
        {
          id: run.id,
          token: run.token,
          progress: "1",
          logs: [{ level: "info", message: "on", atMs: 1 }],
        },
      ],
    });
    await say(world, owner, [{ run, from: 0, next: { kind: "waiting" } }]);
    // One that has begun does not expire.
    await world.advance(120_000);
    await world.sweep();
    expect(await world.record(run.id)).toMatchObject({ state: "waiting" });
    const reply = await say(world, owner, [{ run, from: 1, next: DONE }]);
    expect(reply.advanced).toMatchObject([{ accepted: true }]);
    expect(await rowsOf(world, "flow")).toEqual([]);
    const { jobs } = await world.store.list({ filter: { tag: "tagged" }, limit: 10 });
    expect(jobs).toEqual([]);
  });
});

test("a run that was told a signal, or asked to cancel, ends as its owner says", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const [told, cancelled] = [await beginRun(world, owner), await beginRun(world, owner)];
    await world.store.signal({
      signals: [{ run: told.id, id: world.job({ type: "flow" }).id, name: "go", payload: "1" }],
    });
    await say(world, owner, [
      { run: told, from: 0 },
      { run: cancelled, from: 0 },
    ]);
    expect((await recordOfRun(world.store, told.id)).facts).toHaveLength(1);
    await world.store.cancel({ ids: [cancelled.id], reason: "enough" });
    const reply = await say(world, owner, [
      { run: told, from: 1, next: DONE },
      {
        run: cancelled,
        from: 1,
        next: outcomes.cancelled(undefined, REMOVE_AT_ONCE) as Advance["next"],
      },
    ]);
    expect(reply.advanced).toMatchObject([{ accepted: true }, { accepted: true }]);
    expect(await isGone(world, told.id)).toBe(true);
    expect(await isGone(world, cancelled.id)).toBe(true);
  });
});

test("what makes steps or tells a run is said in the way of any other word", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const run = await beginRun(world, owner);
    const made = step(world, { type: "step" });
    await scriptsCalled();
    await world.store.exchange({
      worker: owner.id,
      settlements: [],
      advances: [
        {
          id: run.id,
          token: run.token,
          from: 0,
          entries: ['"0"'],
          children: [made],
          next: { kind: "waiting" },
        },
      ],
    });
    expect(await scriptsCalled()).not.toContain("words");
    const child = await owner.claimOne({ offers: [offerOf("step")] });
    await scriptsCalled();
    // A step that is a run itself tells the run that made it of its end.
    await say(world, owner, [{ run: child, from: 0, entries: [], next: DONE }]);
    expect(await scriptsCalled()).not.toContain("words");
    expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: made.id }]);
  });
});

const KEPT = { kind: "succeeded", result: '"ü"', retention: KEEP } as const;

test("runs that are kept after their end are as any other that ended, until their time is over", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    await world.enqueue({ type: "flow", tags: ["tagged"], input: '"in"' });
    const tagged = await owner.claimOne({ offers: [offerOf("flow")] });
    const [failed, bare] = [await beginRun(world, owner), await beginRun(world, owner)];
    await say(world, owner, [{ run: tagged, from: 0, next: { kind: "waiting" } }]);
    await scriptsCalled();
    const reply = await say(world, owner, [
      { run: tagged, from: 1, entries: ['"1"', '"2"'], next: KEPT },
      { run: failed, from: 0, next: outcomes.failed(undefined, KEEP) as Advance["next"] },
      { run: bare, from: 0, entries: [], next: KEPT },
    ]);
    expect(await scriptsCalled()).toEqual(["words"]);
    expect(reply.advanced).toMatchObject([
      { accepted: true },
      { accepted: true },
      { accepted: true },
    ]);
    expect(await world.record(tagged.id)).toMatchObject({
      state: "succeeded",
      input: '"in"',
      result: '"ü"',
      tags: ["tagged"],
      entries: 3,
      attempts: 1,
      worker: owner.id,
      token: null,
    });
    expect((await recordOfRun(world.store, tagged.id)).entries).toEqual(['"0"', '"1"', '"2"']);
    const { finishedAtMs, removeAtMs } = await world.record(tagged.id);
    expect((removeAtMs ?? 0) - (finishedAtMs ?? 0)).toBe(KEEP.ageMs);
    expect(await world.record(failed.id)).toMatchObject({
      state: "failed",
      entries: 1,
      attempts: 1,
      history: [{ outcome: "failed", endedAtMs: expect.any(Number) }],
    });
    expect(await world.record(bare.id)).toMatchObject({ state: "succeeded", result: '"ü"' });
    const { jobs } = await world.store.list({ filter: { states: ["succeeded"] }, limit: 10 });
    expect(jobs.map(({ id }) => id).toSorted()).toEqual([tagged.id, bare.id].toSorted());
    const again = await say(world, owner, [{ run: tagged, from: 3, next: KEPT }]);
    expect(again.advanced).toMatchObject([{ accepted: false, why: "stale" }]);
    await world.advance(KEEP.ageMs + 1);
    await world.sweep();
    for (const { id } of [tagged, failed, bare]) expect(await isGone(world, id)).toBe(true);
    expect(await rowsOf(world, "flow")).toEqual([]);
  });
});

test("a run that told its progress or lines, or was asked to cancel, is kept with these", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const [told, cancelled] = [await beginRun(world, owner), await beginRun(world, owner)];
    await world.store.report({
      reports: [
        {
          id: told.id,
          token: told.token,
          progress: "1",
          logs: [{ level: "info", message: "on", atMs: 1 }],
        },
      ],
    });
    await world.store.cancel({ ids: [cancelled.id], reason: "enough" });
    const reply = await say(world, owner, [
      { run: told, from: 0, next: KEPT },
      { run: cancelled, from: 0, next: KEPT },
    ]);
    expect(reply.advanced).toMatchObject([{ accepted: true }, { accepted: true }]);
    expect(await world.record(told.id)).toMatchObject({ state: "succeeded", entries: 1 });
    const lines = await world.store.logs({ id: told.id, afterSeq: 0, limit: 10 });
    expect(lines).toMatchObject([{ message: "on" }]);
    expect(await world.record(cancelled.id)).toMatchObject({
      state: "succeeded",
      cancelRequest: { reason: "enough" },
    });
  });
});

test("whoever follows sees plain words, from the first on that is said while it follows", async () => {
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const run = await beginRun(world, owner);
    const followed = await world.follow({}, await world.openSecond());
    await say(world, owner, [{ run, from: 0, next: { kind: "waiting" } }]);
    await say(world, owner, [{ run, from: 1, next: DONE }]);
    const events = await followed.take(3);
    expect(events.map(({ id, kind }) => [id, kind])).toEqual([
      [run.id, "advanced"],
      [run.id, "succeeded"],
      [run.id, "removed"],
    ]);
  });
});

test("words whose reply is lost are answered as if it was not, and kept once", async () => {
  const proxy = await TcpProxy.start({ host: "127.0.0.1", port: server.port });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  await inWorld(async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const [first, second] = [await beginRun(world, owner), await beginRun(world, owner)];
    await say(world, owner, [{ run: second, from: 0 }]);
    proxy.loseReplies(1);
    const reply = await say(world, owner, [
      { run: first, from: 0 },
      { run: second, from: 1, next: DONE },
    ]);
    expect(proxy.lost).toBe(1);
    expect(reply.advanced).toMatchObject([{ accepted: true }, { accepted: true }]);
    expect((await recordOfRun(world.store, first.id)).entries).toEqual(['"0"']);
    expect(await isGone(world, second.id)).toBe(true);
  }, `redis://127.0.0.1:${proxy.port}`);
});
