// The node of a Cluster by which a store's messages come goes away, or falls silent: they come by another.
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Millrace, defineJob, openMillrace } from "millrace";
import { type RedisCluster, startRedisCluster } from "../servers/redis-cluster.ts";
import type { RedisServer } from "../servers/redis-server.ts";

let cluster: RedisCluster;
let worker: Millrace;
let caller: Millrace;
const gaps: string[] = [];

const greet = defineJob({ name: "greet", run: async () => "hello" });

beforeAll(async () => {
  cluster = await startRedisCluster({ primaries: 1, replicasEach: 2 });
});
afterAll(async () => {
  for (const node of cluster.nodes) node.process.kill("SIGCONT");
  await cluster.stop();
});

beforeEach(async () => {
  gaps.length = 0;
  const options = { store: cluster.url, namespace: randomUUID(), jobs: [greet], logger: false };
  // Without a message it looks only when the test is long over.
  worker = await openMillrace({ ...options, logger: false, worker: { pollInterval: "1h" } });
  caller = await openMillrace({ ...options, logger: false });
  await worker.subscribe(
    {},
    () => {},
    (reason) => gaps.push(reason),
  );
  await worker.start();
});
afterEach(async () => {
  await caller.close();
  await worker.close();
});

/** The nodes by which messages come. */
async function hearing(nodes = cluster.nodes): Promise<readonly RedisServer[]> {
  const lists = await Promise.all(
    nodes.map(async ({ client }) => String(await client.client("LIST", "TYPE", "PUBSUB"))),
  );
  return nodes.filter((_, index) => lists[index]?.includes("name=millrace-messages"));
}

async function cut(): Promise<void> {
  for (const { client } of await hearing()) await client.call("CLIENT", "KILL", "TYPE", "PUBSUB");
}

async function expectWork(): Promise<void> {
  const receipt = await caller.enqueue(greet, null);
  const ended = async (): Promise<string | undefined> => (await caller.job(receipt.id))?.state;
  await expect.poll(ended).toBe("succeeded");
}

test("a connection that is cut is made again, and whoever follows is told what may be missing", async () => {
  await expectWork();
  await cut();
  await expect.poll(() => gaps).toEqual(["the connection for messages was lost"]);
  await expectWork();
});

test("a node that is silent is left for another", async () => {
  const [primary, ...replicas] = cluster.nodes;
  await expect
    .poll(async () => {
      const [node] = await hearing();
      if (node === primary) await cut();
      return node !== undefined && node !== primary;
    })
    .toBe(true);
  const [silent] = await hearing();
  const others = [primary, ...replicas].filter((node) => node !== silent) as RedisServer[];
  gaps.length = 0;
  silent?.process.kill("SIGSTOP");
  await expect.poll(async () => (await hearing(others)).length).toBe(1);
  await expect.poll(() => gaps).toHaveLength(1);
  await expectWork();
  silent?.process.kill("SIGCONT");
});
