// One primary of a Cluster falls silent: what the others keep goes on without waiting for it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Millrace, type Receipt, defineJob, openMillrace } from "../../src/index.ts";
import { partitionOf, roomOf } from "../../src/stores/redis/layout.ts";
import { type RedisCluster, startRedisCluster } from "../servers/redis-cluster.ts";

const NAMESPACE = "silence";
const PARTITIONS = 6;
/** One after the other: each would take seconds, were the silent primary waited for. */
const CHAIN = 15;
const LATE_INPUTS = Array.from({ length: 20 }, (_, index) => ({ number: 100 + index }));
const SLOTS_EACH = Math.ceil(16_384 / 3);

let cluster: RedisCluster;
let mill: Millrace;
/** Jobs that wait to be told to end, by number. */
const held = new Map<number, () => void>();
const ran: number[] = [];
/** Calls that the silent primary holds up. */
const late: Promise<readonly Receipt[]>[] = [];

const input = z.object({ number: z.number() });
const work = defineJob({
  name: "work",
  input,
  async run({ input: { number } }) {
    ran.push(number);
    await new Promise<void>((resolve) => {
      held.set(number, resolve);
    });
  },
});
/** Each on a primary of its own choice. */
const chains = Array.from({ length: 8 }, (_, index) =>
  defineJob({
    name: `chain-${index}`,
    input,
    run({ input: { number } }) {
      ran.push(number);
      return number;
    },
  }),
);

beforeAll(async () => {
  // Without it a Cluster that misses a primary takes no commands at all.
  const args = ["--cluster-require-full-coverage", "no"];
  cluster = await startRedisCluster({ replicasEach: 0, args });
  mill = await openMillrace({
    store: `${cluster.url}?partitions=work:${PARTITIONS}`,
    namespace: NAMESPACE,
    jobs: [work, ...chains],
    logger: false,
    worker: { concurrency: 100 },
  });
  await mill.start();
});
afterAll(async () => {
  for (const node of cluster.nodes) node.process.kill("SIGCONT");
  await mill.close();
  await cluster.stop();
});

async function primaryOf(queue: string, partition: number): Promise<number> {
  const { keys } = roomOf(NAMESPACE, queue, partition);
  const slot = await cluster.nodes[0]?.client.call("CLUSTER", "KEYSLOT", keys[0] ?? "");
  return Math.floor(Number(slot) / SLOTS_EACH);
}

test("what the others keep is enqueued, claimed and settled meanwhile, and all that it keeps afterwards", async () => {
  const receipts = await mill.enqueueMany(
    work,
    Array.from({ length: 60 }, (_, number) => ({ number })),
  );
  await expect.poll(() => held.size).toBe(receipts.length);
  const primaries = await Promise.all(
    receipts.map(({ id }) => primaryOf(work.name, partitionOf(id, PARTITIONS))),
  );
  const queues = await Promise.all(chains.map(({ name }) => primaryOf(name, 0)));
  // Not the one that messages come by: without them workers look every five seconds.
  const listeners = await Promise.all(
    cluster.nodes.map(async ({ client }) => String(await client.client("LIST", "TYPE", "PUBSUB"))),
  );
  const silent =
    primaries.find((primary) => !listeners[primary]?.includes("name=millrace-messages")) ?? 0;
  cluster.nodes[silent]?.process.kill("SIGSTOP");

  // Half of what runs ends now, of every primary; the rest goes on.
  const ending = receipts.filter((_, number) => number % 2 === 0);
  for (const number of receipts.keys()) if (number % 2 === 0) held.get(number)?.();
  const elsewhere = ending.filter((_, index) => primaries[index * 2] !== silent);
  await Promise.all(elsewhere.map(async (receipt) => receipt.result()));
  const chain = chains[queues.findIndex((primary) => primary !== silent)];
  if (chain === undefined) throw new Error("every queue is on one primary");
  // A caller of whose jobs the silent primary would keep some: it waits, and holds up nobody who comes after it.
  late.push(mill.enqueueMany(work, LATE_INPUTS));
  // Callers of one turn of the event loop share a write: this one's is sent in the next.
  for (let turn = 0; turn < 2; turn += 1) await new Promise(setImmediate);
  for (let link = 0; link < CHAIN; link += 1) {
    const receipt = await mill.enqueue(chain, { number: 1_000 + link });
    expect(await receipt.result()).toBe(1_000 + link);
  }

  cluster.nodes[silent]?.process.kill("SIGCONT");
  const more = await Promise.all(late);
  await expect.poll(() => held.size).toBe(receipts.length + LATE_INPUTS.length);
  for (const end of held.values()) end();
  await Promise.all([...receipts, ...more.flat()].map(async (receipt) => receipt.result()));
  expect(new Set(ran).size).toBe(ran.length);
  expect(ran).toHaveLength(receipts.length + LATE_INPUTS.length + CHAIN);
});
