// Workflow runs on Redis: owners that die at any call, what they leave behind, and messages that are lost.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import {
  type Millrace,
  type MillraceOptions,
  defineJob,
  defineWorkflow,
  openMillrace,
} from "millrace";
import type { Store } from "../../src/core/index.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { ACT_ON_RUNS } from "../../src/stores/redis/scripts/act.ts";
import { KEEP_CHILDREN } from "../../src/stores/redis/scripts/children.ts";
import { EXCHANGE } from "../../src/stores/redis/scripts/exchange.ts";
import { TAKE_PLAIN_WORDS } from "../../src/stores/redis/scripts/plain-words.ts";
import { SPEAK } from "../../src/stores/redis/scripts/runs.ts";
import {
  OFFERS,
  beginRun,
  recordOfRun,
  say,
  step,
} from "../../src/testing/conformance/run-cases.ts";
import { REMOVE_AT_ONCE, offerOf, outcomes } from "../../src/testing/conformance/worker.ts";
import type { World } from "../../src/testing/conformance/world.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import {
  type Ends,
  GOOD_ENDS,
  PATIENCE_MS,
  type Runs,
  endsOf,
  enqueueRuns,
  types,
} from "../workflow/dying-runs.ts";
import { type CuttingProxy, startCuttingProxy } from "./cutting-proxy.ts";
import { inRedisWorld } from "./redis-world.ts";

/** Calls at which an owner dies, in turn before and after the call is carried out. */
const PLACES = Number(process.env["MILLRACE_CRASH_PLACES"] ?? 8);
/** On a Cluster a call is made in each place: they are more, and each death takes longer. */
const CLUSTER_PLACES = Number(process.env["MILLRACE_CRASH_PLACES"] ?? 4);
const CLUSTER_STRIDE = 5;
/** Beyond what a busy machine keeps a living worker from renewing. */
const LEASE = "4s";
/** How long calls of an owner that is dead are tried. */
const DEAD_MS = 500;

let server: RedisServer;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await Promise.allSettled(closing.map((close) => close()));
  await server.stop();
}, PATIENCE_MS);

async function open(url: string, namespace: string, deadlineMs = 10_000): Promise<Millrace> {
  // On a busy machine the short deadline may be over before there is a connection.
  const store = await vi.waitFor(() => openRedisStore({ url, namespace, deadlineMs }), {
    timeout: PATIENCE_MS,
  });
  const mill = await openMillrace({
    store,
    jobs: types.all,
    logger: false,
    worker: { leaseDuration: LEASE, sweepInterval: "500ms", shutdownGrace: 0 },
  });
  closing.push(async () => {
    await mill.close();
    await store.close();
  });
  return mill;
}

interface Dying {
  /** Whether it died before its runs had ended. */
  readonly hasDied: boolean;
  readonly runs: Runs;
  readonly heir: Millrace;
}

/** A server, or the nodes of a Cluster. */
interface Servers {
  readonly scheme: string;
  readonly ports: readonly number[];
}

function urlOf({ scheme, ports }: Servers): string {
  return `${scheme}://${ports.map((port) => `127.0.0.1:${port}`).join(",")}`;
}

/** Two runs whose owner dies at a call, and another worker. */
async function beginDying(servers: Servers, { at, isKept }: Place): Promise<Dying> {
  const namespace = `dies-${at}-${isKept}-${randomUUID()}`;
  const scripts = [ACT_ON_RUNS, TAKE_PLAIN_WORDS, EXCHANGE, SPEAK, KEEP_CHILDREN];
  const proxy = await startCuttingProxy(servers.ports, { scripts, at, isKept });
  const first = await open(urlOf({ ...servers, ports: proxy.ports }), namespace, DEAD_MS);
  const heir = await open(urlOf(servers), namespace);
  const runs = await enqueueRuns(heir);
  await first.start();
  await diesOrEnds(proxy, heir, [runs.good, runs.bad]);
  const hasDied = proxy.hasCut;
  closing.push(async () => proxy[Symbol.asyncDispose]());
  await heir.start();
  return { hasDied, runs, heir };
}

/** The owner is dead, or the runs took fewer calls than that. */
async function diesOrEnds(
  proxy: CuttingProxy,
  heir: Millrace,
  ids: readonly string[],
): Promise<void> {
  await vi.waitFor(
    async () => {
      if (proxy.hasCut) return;
      const found = await Promise.all(ids.map((id) => heir.job(id)));
      expect(found.every((job) => job?.state === "succeeded" || job?.state === "failed")).toBe(
        true,
      );
    },
    { timeout: PATIENCE_MS, interval: 20 },
  );
}

interface Place {
  readonly at: number;
  readonly isKept: boolean;
}

/** Calls at which to die, so many apart, two before they are carried out and two after. */
function placesOf(count: number, step: number): readonly Place[] {
  return Array.from({ length: count }, (_, index) => ({
    at: step * index + 1 + (index % 2),
    isKept: index % 4 > 1,
  }));
}

async function dieAndEnd(servers: Servers, places: readonly Place[]): Promise<readonly Ends[]> {
  const dying = await Promise.all(places.map(async (place) => beginDying(servers, place)));
  expect(dying.filter(({ hasDied }) => hasDied).length).toBeGreaterThan(places.length / 2);
  return Promise.all(dying.map(async ({ runs, heir }) => endsOf(heir, runs)));
}

test(
  "a run whose owner dies at any call ends elsewhere, each step once, each undo done",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const places = placesOf(PLACES, 2);
    const ends = await dieAndEnd({ scheme: "redis", ports: [server.port] }, places);
    expect(ends).toEqual(places.map(() => GOOD_ENDS));
  },
);

test(
  "so it does on a Cluster, where a run and its steps are on several servers",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const scheme = "redis+cluster";
    const ports = Array.from(inject("redisClusterUrl").matchAll(/:(\d+)/g), ([, port]) =>
      Number(port),
    );
    const places = placesOf(CLUSTER_PLACES, CLUSTER_STRIDE);
    const ends = await dieAndEnd({ scheme, ports }, places);
    expect(ends).toEqual(places.map(() => GOOD_ENDS));
  },
);

test("an owner hears what its run was told while its messages were lost", async () => {
  await inRedisWorld(server, async (world) => {
    const { owner, run } = await beginRun(world);
    await say(world, owner, run, { entries: ["1"] });
    // The message goes to nobody: the connection is cut, and made again by itself.
    await server.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    const { id } = world.job({ type: "flow" });
    await world.store.signal({ signals: [{ run: run.id, id, name: "go", payload: "1" }] });
    await expect.poll(() => owner.news.map(({ fact }) => fact.key)).toContain(id);
  });
});

/** A store that answers a claim of a run only after the worker has heard a signal to it. */
function signallingFirst(store: Store, signal: (run: string) => Promise<unknown>): Store {
  const heard = new Set<string>();
  return {
    ...store,
    attachWorker: (request) => {
      const news: typeof request.listener.news = (told) => {
        request.listener.news?.(told);
        for (const { run } of told) heard.add(run);
      };
      return store.attachWorker({ ...request, listener: { ...request.listener, news } });
    },
    exchange: async (request) => {
      const reply = await store.exchange(request);
      for (const { id } of reply.claimed) {
        await signal(id);
        await vi.waitFor(() => assert.ok(heard.has(id)), { timeout: PATIENCE_MS, interval: 1 });
      }
      return reply;
    },
  };
}

test("a run has a signal of which its worker heard before the answer with its claim", async () => {
  const flow = defineWorkflow({
    name: "flow",
    run: ({ step: steps }) => steps.waitForSignal("go"),
  });
  const store = await openRedisStore({ url: server.url, namespace: `early-${randomUUID()}` });
  const early = signallingFirst(store, (run) => mill.runs.signal(run, "go", 7));
  const mill = await openMillrace({ store: early, jobs: [flow], logger: false });
  closing.push(async () => {
    await mill.close();
    await store.close();
  });
  await mill.start();
  const receipt = await mill.enqueue(flow, null);
  expect(await receipt.result({ timeout: "10s" })).toBe(7);
});

test("runs go on when the server forgets all scripts", async () => {
  await inRedisWorld(server, async (world) => {
    const { owner, run } = await beginRun(world);
    const child = step(world);
    await server.client.script("FLUSH");
    assert.ok((await say(world, owner, run, { entries: ["1"], children: [child] })).accepted);
    await server.client.script("FLUSH");
    // Queues that take longer than others are left for the next claim, and each script is sent and read anew here.
    const claimed = await vi.waitFor(() => owner.claimOne(), { timeout: PATIENCE_MS });
    await owner.settle(outcomes.succeeded("7", REMOVE_AT_ONCE), claimed);
    const { facts } = await recordOfRun(world.store, run.id);
    expect(facts.map(({ key }) => key)).toEqual([child.id]);
  });
});

test("of runs that were removed nothing is left, and no outbox keeps what arrived", async () => {
  await inRedisWorld(server, async (world) => {
    const { owner, run } = await beginRun(world);
    const children = Array.from({ length: 20 }, () => step(world));
    await say(world, owner, run, { entries: ["1", "2"], children });
    const other = await world.worker({ offers: OFFERS });
    const claimed = await other.claim({ offers: [offerOf("step")] });
    await other.settle(outcomes.succeeded("1", REMOVE_AT_ONCE), ...claimed.slice(0, 10));
    await other.settle(outcomes.failed(undefined, REMOVE_AT_ONCE), ...claimed.slice(10));
    const { id } = world.job({ type: "flow" });
    await world.store.signal({ signals: [{ run: run.id, id, name: "go", payload: "1" }] });
    await expect.poll(() => owner.news.length).toBeGreaterThanOrEqual(21);
    const next = outcomes.succeeded("1", REMOVE_AT_ONCE) as never;
    await say(world, owner, run, { from: 2, entries: ["3"], next });
    await expect
      .poll(async () => [await sizesOf(world, "flow"), await sizesOf(world, "step")])
      .toEqual([
        [1, 1],
        [1, 1],
      ]);
  });
});

/** Members of a room's records of runs, and of its outbox. */
async function sizesOf({ namespace }: World, queue: string): Promise<readonly number[]> {
  const tag = `{mr1|${namespace}|${queue}|0}`;
  return Promise.all([server.client.zcard(`${tag}u`), server.client.hlen(`${tag}o`)]);
}

async function startOnCluster(jobs: NonNullable<MillraceOptions["jobs"]>): Promise<Millrace> {
  const mill = await openMillrace({
    store: inject("redisClusterUrl"),
    namespace: `runs-${randomUUID()}`,
    jobs,
    logger: false,
  });
  await mill.start();
  return mill;
}

test("a step is tried as it says, not as its type does", async () => {
  const flaky = defineJob({
    name: "flaky",
    retry: { attempts: 1 },
    run: async ({ job, signal }) => {
      if (job.attempt === 3) return "at last";
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
      return "never";
    },
  });
  const patient = defineWorkflow({
    name: "patient",
    run: async ({ step: steps }) =>
      steps.job(flaky, null, { retry: { attempts: 3, backoff: [1] }, timeout: "20ms" }),
  });
  await using mill = await startOnCluster([flaky, patient]);
  const receipt = await mill.enqueue(patient, null);
  expect(await receipt.result({ timeout: "30s" })).toBe("at last");
});

test("the samples run on Redis", async () => {
  const { digestFile, digestFiles } = await import("../../examples/workflows/digest-files.ts");
  await using mill = await startOnCluster([digestFiles, digestFile]);
  const directory = new URL("../../examples/workflows", import.meta.url).pathname;
  const receipt = await mill.enqueue(digestFiles, { directory });
  expect(await receipt.result({ timeout: "30s" })).toMatchObject({ failed: [] });
});
