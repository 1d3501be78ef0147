// A worker that is woken when it has no slot free lets another have the message.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type { ExchangeReply, Store } from "../../src/core/store.ts";
import { openRedisStore } from "../../src/stores/redis/index.ts";
import { roomOf, workerChannel } from "../../src/stores/redis/layout.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

let server: RedisServer;
let store: Store;

beforeAll(async () => {
  server = await startRedis();
  store = await openRedisStore({ url: server.url, namespace: "default" });
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

interface Hearing {
  wakes: number;
  claim(capacity: number): Promise<ExchangeReply>;
}

async function attach(id: string): Promise<Hearing> {
  const hearing: Hearing = {
    wakes: 0,
    claim: (capacity) => {
      const offers = [{ queue: "mail", type: "mail", capacity }];
      const claim = { capacity, offers, labels: [], tokenNonce: id, firstToken: 1 };
      return store.exchange({ worker: id, settlements: [], claim });
    },
  };
  await store.attachWorker({
    worker: {
      id,
      host: "host",
      pid: 1,
      concurrency: 1,
      labels: [],
      queues: ["mail"],
      types: ["mail"],
      version: "0.0.0",
    },
    leaseDurationMs: 60_000,
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

test("a wake-up that comes to a full worker is passed on to an idle one", async () => {
  const makeId = createIdMaker({ now: Date.now, randomBytes });
  await store.enqueue({ jobs: [{ id: makeId("mail"), type: "mail", queue: "mail", input: "1" }] });
  const [full, idle] = [await attach("full"), await attach("idle")];
  expect((await full.claim(1)).claimed).toHaveLength(1);
  expect((await idle.claim(1)).claimed).toHaveLength(0);
  // As a script sent it while the first worker was about to claim what filled it.
  const lane = await server.client.hgetBuffer(roomOf("default", "mail", 0).name, "s1");
  const message = Buffer.concat([
    Buffer.from("w"),
    lane ?? Buffer.alloc(2),
    Buffer.from(roomOf("default", "mail", 0).name),
  ]);
  await server.client.publish(workerChannel("full"), message);
  await expect.poll(() => idle.wakes).toBe(1);
  expect(full.wakes).toBe(0);
});
