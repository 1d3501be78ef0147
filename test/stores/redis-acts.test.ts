// Steps that end, what owners say of their runs then, and the steps that they make: one act, where one server has it all.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { ChildJob } from "../../src/core/index.ts";
import { ACT_ON_RUNS } from "../../src/stores/redis/scripts/act.ts";
import { KEEP_CHILDREN } from "../../src/stores/redis/scripts/children.ts";
import { EXCHANGE } from "../../src/stores/redis/scripts/exchange.ts";
import { SPEAK } from "../../src/stores/redis/scripts/runs.ts";
import { recordOfRun, step } from "../../src/testing/conformance/run-cases.ts";
import { KEEP, REMOVE_AT_ONCE, offerOf, outcomes } from "../../src/testing/conformance/worker.ts";
import type { World } from "../../src/testing/conformance/world.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { OFFERS, begin, endOf, sayWith, settling } from "./acting-owner.ts";
import { inRedisWorld } from "./redis-world.ts";
import { calledOf } from "./scripts-called.ts";

// A server of its own: what others call would be told too, and it runs out of memory.
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis({ args: ["--slowlog-log-slower-than", "0"] });
});
afterAll(() => server.stop());

const scriptsCalled = async (): Promise<readonly string[]> => calledOf(server, OF_RUNS);

const OF_RUNS = [ACT_ON_RUNS, EXCHANGE, SPEAK, KEEP_CHILDREN];

test("steps of several queues tell runs of several queues, which make steps, in one round trip", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const first = await begin(world, owner, "flow", "step");
    const second = await begin(world, owner, "other-flow", "other-step");
    const next = [step(world, { token: "mine.1" }), step(world, { type: "other-step" })];
    await scriptsCalled();
    const reply = await sayWith(world, owner, {
      settlements: [
        settling(first.child),
        settling(second.child, outcomes.failed(undefined, KEEP)),
      ],
      words: [
        { run: first.run, from: 1, after: first.child, makes: [next[0] as ChildJob] },
        { run: second.run, from: 1, after: second.child, makes: [next[1] as ChildJob] },
      ],
    });
    expect(await scriptsCalled()).toEqual(["act"]);
    expect(reply.settled).toEqual([
      { accepted: true, state: "succeeded" },
      { accepted: true, state: "failed" },
    ]);
    expect(reply.advanced).toMatchObject([
      { accepted: true, claimed: [next[0]?.id] },
      { accepted: true, claimed: [] },
    ]);
    const told = await Promise.all(
      [first, second].map(async ({ run }) => (await recordOfRun(world.store, run.id)).facts),
    );
    expect(told).toMatchObject([
      [{ key: first.child.id, kind: "ended", body: expect.stringContaining('"result":"done"') }],
      [{ key: second.child.id, kind: "ended", body: expect.stringContaining('"state":"failed"') }],
    ]);
    expect(await world.record(next[0]?.id ?? "")).toMatchObject({
      state: "running",
      token: "mine.1",
    });
    expect(await world.record(next[1]?.id ?? "")).toMatchObject({ state: "ready" });
    expect(await leftInOutboxes(world)).toEqual([]);
  });
});

async function leftInOutboxes({ namespace }: World): Promise<readonly string[]> {
  const keys = await server.client.keys(`*${namespace}|*}o`);
  const fields = await Promise.all(keys.map((key) => server.client.hkeys(key)));
  return fields.flat().filter((field) => field !== "");
}

test("steps that end together are all told to a run that goes on, and of one that is done nothing is left", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    await world.enqueue({ type: "flow", tags: ["tagged"] });
    const run = await owner.claimOne({ offers: [offerOf("flow")] });
    const handed = (number: number) => step(world, { token: `mine.${number}` });
    const makes = [handed(1), handed(2), handed(3)] as const;
    const [first, second, third] = makes;
    const begun = await sayWith(world, owner, { settlements: [], words: [{ run, makes }] });
    expect(begun.advanced).toMatchObject([{ claimed: makes.map(({ id }) => id) }]);
    await sayWith(world, owner, {
      settlements: [endOf(first), endOf(second)],
      words: [{ run, from: 1 }],
    });
    const { facts } = await recordOfRun(world.store, run.id);
    expect(facts.map(({ key }) => key).toSorted()).toEqual([first.id, second.id].toSorted());
    const next = { kind: "succeeded", result: "1", retention: REMOVE_AT_ONCE } as const;
    await scriptsCalled();
    const reply = await world.store.exchange({
      worker: owner.id,
      settlements: [endOf(third)],
      advances: [{ id: run.id, token: run.token, from: 2, entries: ['"2"'], next }],
    });
    expect(await scriptsCalled()).toEqual(["act"]);
    expect(reply.advanced).toMatchObject([{ accepted: true }]);
    expect(await world.store.readRun({ ...ALL, id: run.id })).toBeNull();
    expect(await rowsOf(world, "flow")).toEqual([]);
  });
});

const ALL = { afterEntries: 0, afterFact: null, limit: 10 };

/** What the records of runs of a queue hold, and its indexes. */
async function rowsOf({ namespace }: World, queue: string): Promise<readonly string[]> {
  const sets = await server.client.keys(`*${namespace}|${queue}|*}[ui]`);
  const rows = await Promise.all(sets.map((key) => server.client.zrange(key, "0", "-1")));
  return rows.flat().filter((row) => row !== "");
}

test("a run whose id looks like the mark of a time is told of its step", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { id } = world.job({ type: "flow" });
    // The bytes 1, the digit 0 and 2, by which scripts know where their own time is to be put.
    await world.enqueue({ type: "flow", id: `${id.slice(0, 24)}013002${id.slice(30)}` });
    const run = await owner.claimOne({ offers: [offerOf("flow")] });
    const made = step(world, { token: "mine.1" });
    await sayWith(world, owner, { settlements: [], words: [{ run, makes: [made] }] });
    await sayWith(world, owner, {
      settlements: [endOf(made)],
      words: [{ run, from: 1 }],
    });
    expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: made.id }]);
  });
});

test("a word that stands on a step which another settled says nothing, and makes no step", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const other = await world.openSecond();
    const { run, child } = await begin(world, owner, "flow", "step");
    const beside = await begin(world, owner, "flow", "step");
    await other.exchange({ worker: owner.id, settlements: [settling(child)] });
    const made = step(world);
    const reply = await sayWith(world, owner, {
      settlements: [settling(child), settling(beside.child)],
      words: [
        { run, from: 1, after: child, makes: [made] },
        { run: beside.run, from: 1, after: beside.child },
      ],
    });
    expect(reply.settled).toMatchObject([{ accepted: false }, { accepted: true }]);
    expect(reply.advanced).toMatchObject([{ accepted: false, why: "refused" }, { accepted: true }]);
    const { jobs } = await world.store.list({ filter: { type: "step" }, limit: 10 });
    expect(jobs).toEqual([]);
    expect((await recordOfRun(world.store, run.id)).entries).toHaveLength(1);
  });
});

test("a step that was asked to cancel meanwhile is decided anew, and its run's word stands on that", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run, child } = await begin(world, owner, "flow", "step");
    const other = await world.openSecond();
    await other.cancel({ ids: [child.id], reason: "enough" });
    const reply = await sayWith(world, owner, {
      settlements: [settling(child, outcomes.failed(undefined, REMOVE_AT_ONCE))],
      words: [{ run, from: 1, after: child }],
    });
    expect(reply.settled).toMatchObject([{ accepted: true }]);
    expect(reply.advanced).toMatchObject([{ accepted: true }]);
    const { entries, facts } = await recordOfRun(world.store, run.id);
    expect(entries).toHaveLength(2);
    expect(facts).toMatchObject([{ key: child.id }]);
  });
});

test("followers see what an act does", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run, child } = await begin(world, owner, "flow", "step");
    const followed = await world.follow({}, await world.openSecond());
    const made = step(world, { token: "mine.1" });
    await sayWith(world, owner, {
      settlements: [settling(child)],
      words: [{ run, from: 1, after: child, makes: [made] }],
    });
    const events = await followed.take(5);
    const seen = events.map(({ id, kind }) => [id, kind]);
    expect(seen).toEqual(
      expect.arrayContaining([
        [child.id, "succeeded"],
        [child.id, "removed"],
        [run.id, "advanced"],
        [made.id, "enqueued"],
        [made.id, "started"],
      ]),
    );
  });
});

test("with no memory for steps what ended is settled all the same, and the steps wait in the outbox", async () => {
  await inRedisWorld(server, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run, child } = await begin(world, owner, "flow", "step");
    const made = step(world);
    await server.client.config("SET", "maxmemory", "1");
    try {
      const reply = await sayWith(world, owner, {
        settlements: [settling(child)],
        words: [{ run, from: 1, after: child, makes: [made] }],
      });
      expect(reply.settled).toMatchObject([{ accepted: true }]);
      expect(reply.advanced).toMatchObject([{ accepted: true, claimed: [] }]);
    } finally {
      await server.client.config("SET", "maxmemory", "0");
    }
    await world.advance(60_000);
    await world.sweep();
    expect(await world.record(made.id)).toMatchObject({ state: "ready", parent: run.id });
  });
});

test("a node of a Cluster that is addressed as one server has it done call by call", async () => {
  const node = await startRedis({ args: ["--cluster-enabled", "yes"] });
  onTestFinished(() => node.stop());
  await node.client.call("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
  await expect.poll(() => node.client.call("CLUSTER", "INFO")).toContain("cluster_state:ok");
  await inRedisWorld(node, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run, child } = await begin(world, owner, "flow", "step");
    const made = step(world);
    const reply = await sayWith(world, owner, {
      settlements: [settling(child)],
      words: [{ run, from: 1, after: child, makes: [made] }],
    });
    expect(reply.settled).toMatchObject([{ accepted: true }]);
    expect(reply.advanced).toMatchObject([{ accepted: true }]);
    expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: child.id }]);
    expect(await world.record(made.id)).toMatchObject({ state: "ready" });
  });
});
