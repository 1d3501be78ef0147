// Wake-ups that come to a worker that can make nothing of them: others have what it was woken for.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type { ExchangeReply, Store } from "../../src/core/store.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { roomOf, workerChannel } from "../../src/stores/redis/layout.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

const NAMESPACE = "default";

let server: RedisServer;
let store: Store;

const openStore = (): Promise<Store> => openRedisStore({ url: server.url, namespace: NAMESPACE });

beforeAll(async () => {
  server = await startRedis();
  store = await openStore();
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

const makeId = createIdMaker({ now: Date.now, randomBytes });

async function enqueue(queue: string, count: number): Promise<void> {
  const jobs = Array.from({ length: count }, () => ({
    id: makeId(queue),
    type: "mail",
    queue,
    input: "1",
  }));
  await store.enqueue({ jobs });
}

interface Hearing {
  wakes: number;
  claim(capacity: number): Promise<ExchangeReply>;
}

async function attach(id: string, queue: string, through = store): Promise<Hearing> {
  let firstToken = 1;
  const hearing: Hearing = {
    wakes: 0,
    claim: (capacity) => {
      const offers = [{ queue, type: "mail", capacity }];
      const claim = { capacity, offers, labels: [], tokenNonce: id, firstToken };
      firstToken += capacity;
      return through.exchange({ worker: id, settlements: [], claim });
    },
  };
  await through.attachWorker({
    worker: {
      id,
      host: "host",
      pid: 1,
      concurrency: 1,
      labels: [],
      queues: [queue],
      types: ["mail"],
      version: "0.0.0",
    },
    leaseDurationMs: 60_000,
    takesHanded: true,
    listener: {
      wake: () => {
        hearing.wakes += 1;
      },
      cancel: () => {},
      lost: () => {},
    },
  });
  return hearing;
}

/** A worker that waits with so many slots, and whose process is killed then: it takes nothing back of what it said. */
async function waitAndDie(id: string, queue: string, slots: number): Promise<void> {
  const own = await openStore();
  const dying = await attach(id, queue, own);
  expect((await dying.claim(slots)).claimed).toHaveLength(0);
  const { keys } = roomOf(NAMESPACE, queue, 0);
  const kept = await Promise.all(keys.map((key) => server.client.dumpBuffer(key)));
  await own.close();
  for (const [at, key] of keys.entries()) {
    const value = kept[at];
    if (value != null) await server.client.restore(key, 0, value, "REPLACE");
  }
}

test("a wake-up that comes to a full worker is passed on to an idle one", async () => {
  await enqueue("full", 1);
  const [full, idle] = [await attach("full", "full"), await attach("idle", "full")];
  expect((await full.claim(1)).claimed).toHaveLength(1);
  expect((await idle.claim(1)).claimed).toHaveLength(0);
  // As a script sent it while the first worker was about to claim what filled it.
  const { name } = roomOf(NAMESPACE, "full", 0);
  const lane = await server.client.hgetBuffer(name, "s1");
  const message = Buffer.concat([Buffer.from("w"), lane ?? Buffer.alloc(2), Buffer.from(name)]);
  await server.client.publish(workerChannel("full"), message);
  await expect.poll(() => idle.wakes).toBe(1);
  expect(full.wakes).toBe(0);
});

test.for([
  { name: "a job that comes alone", count: 1 },
  { name: "jobs that come together", count: 3 },
])(
  "a worker that was killed while it was idle, and whose lease stands, takes no wake-up of $name",
  async ({ count }) => {
    const queue = `killed-${count}`;
    // So that the queue has been seen: none is handed a job of another.
    await enqueue(queue, 1);
    const stays = await attach(`stays-${count}`, queue);
    expect((await stays.claim(1)).claimed).toHaveLength(1);
    await waitAndDie(`dies-${count}`, queue, 10);
    expect((await stays.claim(1)).claimed).toHaveLength(0);
    const before = stays.wakes;
    await enqueue(queue, count);
    await expect.poll(() => stays.wakes).toBe(before + 1);
    expect((await stays.claim(10)).claimed).toHaveLength(count);
  },
);
