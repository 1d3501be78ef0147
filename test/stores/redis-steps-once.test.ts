// Steps that may have been made before: none is made twice, whatever happens to it between two calls of who makes it.
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { ChildJob, ClaimedJob, Store } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { ACT_ON_RUNS } from "../../src/stores/redis/scripts/act.ts";
import { KEEP_CHILDREN } from "../../src/stores/redis/scripts/children.ts";
import {
  FORGET_DELIVERED,
  KEPT_CHILDREN,
  NEEDED_CHILDREN,
} from "../../src/stores/redis/scripts/run-records.ts";
import { SPEAK } from "../../src/stores/redis/scripts/runs.ts";
import { createTestClock } from "../../src/testing/index.ts";
import {
  OFFERS,
  type Said,
  recordOfRun,
  say,
  step,
} from "../../src/testing/conformance/run-cases.ts";
import {
  REMOVE_AT_ONCE,
  type StoreWorker,
  offerOf,
  outcomes,
} from "../../src/testing/conformance/worker.ts";
import type { World } from "../../src/testing/conformance/world.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { type Hold, HoldingProxy } from "./holding-proxy.ts";
import { inRedisWorld } from "./redis-world.ts";

/** What is called to make a step that may have been made before. */
const CALLS = [SPEAK, KEPT_CHILDREN, NEEDED_CHILDREN, KEEP_CHILDREN];

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
  // A call of a script that the server lacks comes twice.
  for (const { source } of [...CALLS, ACT_ON_RUNS, FORGET_DELIVERED])
    await server.client.script("LOAD", source);
});
afterAll(() => server.stop());

let clock = createTestClock();
async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  // The server has no scripts that tell another time than its own.
  clock = createTestClock();
  await inRedisWorld({ url: server.url, clock }, run);
}

interface Owner {
  readonly store: Store;
  readonly worker: StoreWorker;
  readonly run: ClaimedJob;
  readonly proxy: HoldingProxy;
}

async function throughProxy({ namespace }: World): Promise<Pick<Owner, "store" | "proxy">> {
  const proxy = await HoldingProxy.start(server.port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const store = await openRedisStore({ url, namespace, clock });
  onTestFinished(async () => {
    await store.close();
    await proxy[Symbol.asyncDispose]();
  });
  return { proxy, store };
}

/** The owner of a run, whose calls can be kept waiting. */
async function ownerOf(world: World): Promise<Owner> {
  const { proxy, store } = await throughProxy(world);
  const worker = await world.worker({ store, offers: OFFERS });
  await world.enqueue({ type: "flow" });
  return { proxy, store, worker, run: await worker.claimOne({ offers: [offerOf("flow")] }) };
}

function again(child: ChildJob): ChildJob {
  return { ...child, isAgain: true };
}

/** Does something while a call waits, or after the last of them. */
async function during(
  owner: Pick<Owner, "proxy">,
  hold: Hold,
  saying: () => Promise<unknown>,
  act: () => Promise<unknown>,
): Promise<void> {
  const held = owner.proxy.hold(hold);
  const said = saying();
  await Promise.race([held.reached, said]);
  await act();
  held.release();
  await said;
}

async function stepsOf({ store }: World): Promise<readonly string[]> {
  const { jobs } = await store.list({ filter: { type: "step" }, limit: 10 });
  return jobs.map(({ id }) => id);
}

const PLACES = CALLS.map((_, index) => index + 1);
const ended = outcomes.succeeded("1", REMOVE_AT_ONCE);

test.for(PLACES)(
  "a step that ends elsewhere after call %i of who takes up its run is not made again",
  async (at) => {
    await inWorld(async (world) => {
      const owner = await ownerOf(world);
      const { worker, run } = owner;
      const [made, missing] = [step(world), step(world)];
      await say(owner, worker, run, { entries: ["1"], children: [made] });
      const other = await world.worker({ offers: OFFERS });
      const claimed = await other.claimOne();
      const children = [again(made), again(missing)];
      await during(
        owner,
        { scripts: CALLS, at, isCarriedOut: true },
        () => say(owner, worker, run, { from: 1, entries: ["2"], children }),
        () => other.settle(ended, claimed),
      );
      expect(await stepsOf(world)).toEqual([missing.id]);
      expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: made.id }]);
    });
  },
);

test.for(PLACES)(
  "a step that ends elsewhere after call %i of an owner who says its word again is not made again",
  async (at) => {
    await inWorld(async (world) => {
      const owner = await ownerOf(world);
      const { worker, run } = owner;
      const made = step(world);
      const word = { entries: ["1"], children: [made] };
      await say(owner, worker, run, word);
      const other = await world.worker({ offers: OFFERS });
      const claimed = await other.claimOne();
      await during(
        owner,
        { scripts: [...CALLS, ACT_ON_RUNS], at, isCarriedOut: true },
        () => say(owner, worker, run, word),
        () => other.settle(ended, claimed),
      );
      expect(await stepsOf(world)).toEqual([]);
      expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: made.id }]);
    });
  },
);

test.for(PLACES)(
  "a step of whose end its run hears after call %i of who takes it up is not made again",
  async (at) => {
    await inWorld(async (world) => {
      const owner = await ownerOf(world);
      const { worker, run } = owner;
      const made = step(world);
      await say(owner, worker, run, { entries: ["1"], children: [made] });
      // Whoever removes it dies, as it seems, before it tells the run.
      const other = await throughProxy(world);
      const telling = other.proxy.hold({ scripts: [SPEAK], at: 1, isCarriedOut: false });
      const removing = other.store.remove({ ids: [made.id] });
      await telling.reached;
      await during(
        owner,
        { scripts: CALLS, at, isCarriedOut: true },
        () => say(owner, worker, run, { from: 1, entries: ["2"], children: [again(made)] }),
        async () => {
          telling.release();
          await removing;
          await expect.poll(() => leftInOutbox(world, "step")).toEqual([]);
        },
      );
      expect(await stepsOf(world)).toEqual([]);
      expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: made.id }]);
    });
  },
);

async function leftInOutbox({ namespace }: World, queue: string): Promise<readonly string[]> {
  const fields = await server.client.hkeys(`{mr1|${namespace}|${queue}|0}o`);
  return fields.filter((field) => field !== "");
}

test("a step of a run that is done and removed is not made by who finds it in an outbox", async () => {
  await inWorld(async (world) => {
    const owner = await ownerOf(world);
    const { worker, run } = owner;
    const made = step(world);
    // Its owner has no time to note that the step was made.
    const noting = owner.proxy.hold({ scripts: [FORGET_DELIVERED], at: 1, isCarriedOut: false });
    await say(owner, worker, run, { entries: ["1"], children: [again(made)] });
    const other = await world.worker({ offers: OFFERS });
    await other.settle(ended, await other.claimOne());
    await noting.reached;
    await world.store.exchange({
      worker: worker.id,
      settlements: [{ id: run.id, token: run.token, outcome: ended }],
    });
    expect(await world.store.get({ ids: [run.id, made.id] })).toEqual([null, null]);
    expect(await leftInOutbox(world, "flow")).toHaveLength(1);
    await expect.poll(() => leftInOutbox(world, "step")).toEqual([]);
    await world.advance(60_000);
    await world.sweep();
    expect(await stepsOf(world)).toEqual([]);
    noting.release();
  });
});

/** A job that nobody keeps. */
const MISSING = "01890000-0000-7000-8000-000000000000";

/** What a word says that is no act, so that its children are made by a call of their own. */
const WORDS: readonly (readonly [string, number, (made: ChildJob) => Said])[] = [
  ["is answered", 1, (made) => ({ children: [made], cancels: [MISSING] })],
  ["is looked into", 2, (made) => ({ children: [again(made)] })],
];

test.for(WORDS)(
  "an owner that is stopped for long while its word %s does not make a step again that others saw end",
  async ([, at, saying]) => {
    await inWorld(async (world) => {
      const owner = await ownerOf(world);
      const { worker, run } = owner;
      const made = step(world);
      const other = await world.worker({ offers: OFFERS });
      const held = owner.proxy.hold({ scripts: CALLS, at, isCarriedOut: true });
      const said = say(owner, worker, run, { entries: ["1"], ...saying(made) });
      await held.reached;
      await world.advance(60_000);
      await world.sweep();
      await other.settle(ended, await other.claimOne());
      await expect.poll(() => leftInOutbox(world, "step")).toEqual([]);
      held.release();
      await said;
      await world.advance(60_000);
      await world.sweep();
      expect(await stepsOf(world)).toEqual([]);
      expect((await recordOfRun(world.store, run.id)).facts).toMatchObject([{ key: made.id }]);
    });
  },
);
