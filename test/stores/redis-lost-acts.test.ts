// Acts whose replies are lost: done once, and answered as if nothing had happened.
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { recordOfRun, step } from "../../src/testing/conformance/run-cases.ts";
import { TcpProxy } from "../chaos/harness/tcp-proxy.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { OFFERS, begin, sayWith, settling } from "./acting-owner.ts";
import { inRedisWorld } from "./redis-world.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

async function startProxy(): Promise<TcpProxy> {
  const proxy = await TcpProxy.start({ host: "127.0.0.1", port: server.port });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

test("an act whose reply is lost is answered as if it was not, and done once", async () => {
  const proxy = await startProxy();
  const url = `redis://127.0.0.1:${proxy.port}`;
  await inRedisWorld({ url }, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run, child } = await begin(world, owner, "flow", "step");
    const made = step(world, { token: "mine.1" });
    proxy.loseReplies(1);
    const reply = await sayWith(world, owner, {
      settlements: [settling(child)],
      words: [{ run, from: 1, after: child, makes: [made] }],
    });
    expect(proxy.lost).toBe(1);
    expect(reply.settled).toEqual([{ accepted: true, state: "succeeded" }]);
    expect(reply.advanced).toMatchObject([{ accepted: true, claimed: [made.id] }]);
    const { entries, facts } = await recordOfRun(world.store, run.id);
    expect(entries).toHaveLength(2);
    expect(facts).toMatchObject([{ key: child.id }]);
    expect(await world.record(made.id)).toMatchObject({ state: "running", token: "mine.1" });
  });
});

/** Within it a busy machine answers all but what is held up. */
const DEADLINE_MS = 2_000;
const PATIENCE_MS = 15_000;

test("an act without an answer until the deadline is taken up by who says the same again", async () => {
  const proxy = await startProxy();
  const way = { url: `redis://127.0.0.1:${proxy.port}`, deadlineMs: DEADLINE_MS };
  await inRedisWorld(way, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run, child } = await begin(world, owner, "flow", "step");
    const made = step(world, { token: "mine.1" });
    const said = {
      settlements: [settling(child)],
      words: [{ run, from: 1, after: child, makes: [made] }],
    };
    proxy.stall();
    await expect(sayWith(world, owner, said)).rejects.toMatchObject({ code: "STORE_BUSY" });
    proxy.mend();
    await vi.waitFor(async () => {
      const again = await sayWith(world, owner, said);
      expect(again.settled).toEqual([{ accepted: true, state: "succeeded" }]);
    }, PATIENCE_MS);
    await vi.waitFor(async () => {
      const { entries, facts } = await recordOfRun(world.store, run.id);
      expect({ entries: entries.length, facts: facts.length }).toEqual({ entries: 2, facts: 1 });
    }, PATIENCE_MS);
    // Nobody waits for the step that was handed over: it is for others.
    await vi.waitFor(async () => {
      expect(await world.record(made.id)).toMatchObject({ state: "ready", parent: run.id });
    }, PATIENCE_MS);
  });
});

test("a step that its owner ran already is for others when nobody is told that it was claimed", async () => {
  const proxy = await startProxy();
  const way = { url: `redis://127.0.0.1:${proxy.port}`, deadlineMs: DEADLINE_MS };
  await inRedisWorld(way, async (world) => {
    const owner = await world.worker({ offers: OFFERS });
    const { run } = await begin(world, owner, "flow", "step");
    const made = step(world, { token: "mine.1", isBegun: true });
    const said = { settlements: [], words: [{ run, from: 1, makes: [made] }] };
    proxy.stall();
    await expect(sayWith(world, owner, said)).rejects.toMatchObject({ code: "STORE_BUSY" });
    proxy.mend();
    await vi.waitFor(async () => {
      expect(await world.record(made.id)).toMatchObject({ state: "ready", parent: run.id });
    }, PATIENCE_MS);
    const again = await sayWith(world, owner, said);
    expect(again.advanced).toMatchObject([{ accepted: true, claimed: [] }]);
  });
});
