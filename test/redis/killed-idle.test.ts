// Worker processes of a Cluster that are killed while they are idle: what comes then goes to those that live, at once.
import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Millrace, defineJob, openMillrace } from "millrace";
import { roomOf } from "../../src/stores/redis/layout.ts";
import { LANE_SPAN, TAKES_HANDED_AND_IS_SEEN } from "../../src/stores/redis/scripts/waking.ts";
import { type Running, repository, scratch, startCommand } from "../cli/command-line.ts";
import { type RedisCluster, startRedisCluster } from "../servers/redis-cluster.ts";
import type { RedisServer } from "../servers/redis-server.ts";

/** A lease lasts thirty seconds, and nobody who lives polls: what goes astray takes far longer. */
const WITHIN = { timeout: 5_000, interval: 10 };
/** Several times what the starts of processes take on a machine that others use as well. */
const TIMEOUT = { timeout: 120_000 };
/** Enough for their rooms to be on every primary. */
const NAMES = Array.from({ length: 6 }, (_, number) => `work-${number}`);
/** The token says how the claim was made. */
const TYPES = NAMES.map((name) => defineJob({ name, run: async ({ job }) => job.token }));
type Work = (typeof TYPES)[number];
/** More than the one has that survives: who has most slots free comes first. */
const DOOMED_SLOTS = 50;

let cluster: RedisCluster;
let directory: Awaited<ReturnType<typeof scratch>>;
let namespace: string;
let caller: Millrace;
let survivor: Millrace;
const started: Running[] = [];

beforeAll(async () => {
  [cluster, directory] = await Promise.all([startRedisCluster(), scratch()]);
  await writeFile(
    join(directory.path, "doomed.config.ts"),
    `import { defineJob } from ${JSON.stringify(join(repository, "src/index.ts"))};
export default {
  jobs: ${JSON.stringify(NAMES)}.map((name) => defineJob({ name, run: async () => "doomed" })),
  worker: { concurrency: ${DOOMED_SLOTS}, pollInterval: "1s" },
};
`,
  );
});
afterAll(async () => {
  await cluster.stop();
  await directory[Symbol.asyncDispose]();
});

beforeEach(async () => {
  namespace = randomUUID();
  const options = { store: cluster.url, namespace, jobs: TYPES, logger: false } as const;
  caller = await openMillrace(options);
  survivor = await openMillrace({ ...options, worker: { pollInterval: "1h", concurrency: 5 } });
  await survivor.start();
  // A lane that is new wakes all who wait: each has been used before.
  for (const type of TYPES) await runOne(type, {});
  await areIdle(1);
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((running) => running.stop("SIGKILL")));
  await survivor.close();
  await caller.close();
});

async function stateOf(id: string): Promise<string | undefined> {
  return (await caller.job(id))?.state;
}

/** Enqueues one, and gives the token under which it was run. Nobody follows: what is followed is not handed over. */
async function runOne(type: Work, within = WITHIN as Partial<typeof WITHIN>): Promise<string> {
  const { id } = await caller.enqueue(type, null);
  await expect.poll(() => stateOf(id), within).toBe("succeeded");
  return String((await caller.job(id))?.result);
}

/** Free slots of the workers that wait in a queue, as the primary that has it knows them. */
async function slotsIn(queue: string): Promise<readonly number[]> {
  const idle = roomOf(namespace, queue, 0).keys[5] ?? "";
  const told = await Promise.all(
    cluster.nodes.map(({ client }) => client.zrange(idle, "1", "-1", "WITHSCORES").catch(() => [])),
  );
  const scores = told.flat().filter((_, index) => index % 2 === 1);
  return scores.map((score) => Number(score) % LANE_SPAN);
}

async function areIdle(count: number): Promise<void> {
  for (const name of NAMES) await expect.poll(() => slotsIn(name)).toHaveLength(count);
}

/** Workers that wait, and are known to be seen. */
async function areDoomed(count: number): Promise<void> {
  const each = DOOMED_SLOTS + TAKES_HANDED_AND_IS_SEEN;
  const doomedIn = async (name: string): Promise<readonly number[]> =>
    (await slotsIn(name)).filter((slots) => slots === each);
  for (const name of NAMES) await expect.poll(() => doomedIn(name)).toHaveLength(count);
}

/** Starts workers, and kills them when they wait. */
async function killIdle(count: number): Promise<void> {
  const env = {
    MILLRACE_STORE: cluster.url,
    MILLRACE_NAMESPACE: namespace,
    MILLRACE_CONFIG: join(directory.path, "doomed.config.ts"),
  };
  const doomed = Array.from({ length: count }, () => startCommand(["worker"], { env }));
  started.push(...doomed);
  await areDoomed(count);
  await Promise.all(doomed.map((running) => running.stop("SIGKILL")));
  await areDoomed(count);
}

test("a worker that lives is handed a job that comes alone", async () => {
  for (const type of TYPES) expect(await runOne(type)).toMatch(/^h/);
});

test("a job that comes alone is handed to none that was killed", TIMEOUT, async () => {
  await killIdle(1);
  for (const type of TYPES) expect(await runOne(type)).not.toMatch(/^h/);
});

test("jobs that come together wait for none that was killed", TIMEOUT, async () => {
  await killIdle(2);
  for (const type of TYPES) {
    const receipts = await caller.enqueueMany(type, [null, null, null]);
    for (const { id } of receipts) await expect.poll(() => stateOf(id), WITHIN).toBe("succeeded");
  }
});

/** Connections by which each primary sees workers. */
async function presences(): Promise<readonly Presences[]> {
  return Promise.all(
    (await cluster.primaries()).map(async ({ client }) => {
      const lines = String(await client.client("LIST", "TYPE", "PUBSUB")).split("\n");
      const found = lines.filter((line) => line.includes("name=millrace-presence"));
      return { client, ids: found.map((line) => /\bid=(\d+)/.exec(line)?.[1] ?? "") };
    }),
  );
}

interface Presences {
  readonly client: RedisServer["client"];
  readonly ids: readonly string[];
}

async function countSeen(): Promise<readonly number[]> {
  return (await presences()).map(({ ids }) => ids.length);
}

async function areSeen(): Promise<void> {
  await expect.poll(countSeen).toEqual([1, 1, 1]);
}

test("a worker that no primary sees any more is woken all the same, and is seen again", async () => {
  await areSeen();
  for (const { client, ids } of await presences()) {
    for (const id of ids) await client.client("KILL", "ID", id);
  }
  const [type] = TYPES as [Work, ...Work[]];
  expect(await runOne(type)).not.toMatch(/^h/);
  await areSeen();
  expect(await runOne(type)).toMatch(/^h/);
});

test("replicas that take over see workers too", TIMEOUT, async () => {
  const before = await cluster.primaries();
  const successors = cluster.nodes.filter((node) => !before.includes(node));
  for (const node of successors) {
    // One that fails, as a vote may, is asked for again.
    const hasTakenOver = async (): Promise<boolean> => {
      await node.client.call("CLUSTER", "FAILOVER").catch(() => {});
      return (await cluster.primaries()).includes(node);
    };
    await expect.poll(hasTakenOver, { interval: 500 }).toBe(true);
  }
  for (const type of TYPES) await runOne(type);
  await areSeen();
  await killIdle(1);
  for (const type of TYPES) expect(await runOne(type)).not.toMatch(/^h/);
});
