// Jobs that are handed to an idle worker as they are enqueued: claimed once, and told again where the message was lost.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ClaimedJob, JobId } from "../../src/core/index.ts";
import {
  REMOVE_AT_ONCE,
  type StoreWorker,
  type WorkerOptions,
  offerOf,
  outcomes,
} from "../../src/testing/conformance/worker.ts";
import { type World, withWorld } from "../../src/testing/conformance/world.ts";
import { workerChannel } from "../../src/stores/redis/layout.ts";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { onRedisAt } from "./redis-harness.ts";

// A server of its own: connections for messages are cut.
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

async function inWorld(run: (world: World) => Promise<void>): Promise<void> {
  await withWorld(
    onRedisAt(() => server.url),
    { run },
  );
}

/** A worker that waits for jobs as there were some before, and takes what is handed to it. */
async function waiting(
  { enqueue, worker }: World,
  options: WorkerOptions = {},
): Promise<StoreWorker> {
  const offers = options.offers ?? [offerOf("mail")];
  const idle = await worker({ takesHanded: true, ...options });
  await enqueue(...offers.map(({ queue, type }) => ({ queue, type })));
  await idle.settle(done, ...(await idle.claim()));
  expect(await idle.claim({ capacity: 1 })).toEqual([]);
  return idle;
}

const stateOf = async ({ record }: World, id: JobId): Promise<string> => (await record(id)).state;
const done = outcomes.succeeded("1", REMOVE_AT_ONCE);

/** Whether a job was handed to a worker, which has not said yet that it heard of it. */
async function isHanded({ namespace }: World, { id }: StoreWorker): Promise<boolean> {
  return (await server.client.hexists(`{mr1|${namespace}|mail|0}m`, `H${id}`)) === 1;
}

/** What is kept for a worker too long, on a busy machine, it gets by an ordinary claim. */
function claimOne(worker: StoreWorker): Promise<ClaimedJob> {
  return vi.waitFor(() => worker.claimOne(), { interval: 5, timeout: 30_000 });
}

/** Enqueues while the message to a worker gets to the end of a connection that it does not read from. */
async function enqueueUnheard({ enqueue }: World, { id: worker }: StoreWorker): Promise<JobId> {
  const deaf = server.client.duplicate();
  try {
    const own = await deaf.client("ID");
    await deaf.subscribe(workerChannel(worker));
    await cutListeners(own);
    const [id = ""] = await enqueue({});
    return id;
  } finally {
    deaf.disconnect();
  }
}

/** Cuts the connections that hear messages, except one. */
async function cutListeners(except: number): Promise<void> {
  const listed = String(await server.client.client("LIST", "TYPE", "PUBSUB"));
  const ids = [...listed.matchAll(/\bid=(\d+)/g)].map(([, id]) => Number(id));
  for (const id of ids) {
    if (id !== except) await server.client.client("KILL", "ID", id);
  }
}

test("a lone job is claimed for a worker that waits, as its next exchange tells", async () => {
  await inWorld(async (world) => {
    const idle = await waiting(world);
    const [id = ""] = await world.enqueue({ input: '{"a":"ä"}' });
    expect(await isHanded(world, idle)).toBe(true);
    const job = await claimOne(idle);
    expect(job).toMatchObject({ id, type: "mail", input: '{"a":"ä"}', attempt: 1, tags: [] });
    expect(job.token).toBe((await world.record(id)).token);
    expect(await idle.settle(done, job)).toEqual(["succeeded"]);
    expect(await idle.claim()).toEqual([]);
  });
});

test("each gets a token of its own, by which alone it is settled", async () => {
  await inWorld(async (world) => {
    const idle = await waiting(world);
    const tokens = new Set<string>();
    for (let count = 0; count < 5; count += 1) {
      await world.enqueue({});
      const job = await claimOne(idle);
      tokens.add(job.token);
      const forged = { ...job, token: `h${"0".repeat(24)}` };
      expect(await idle.trySettle(done, forged)).toMatchObject([{ accepted: false }]);
      const settlement = { id: job.id, token: job.token, outcome: done };
      const { settled, claimed } = await idle.exchange([settlement], { capacity: 1 });
      expect(settled).toMatchObject([{ accepted: true }]);
      expect(claimed).toEqual([]);
    }
    expect(tokens.size).toBe(5);
  });
});

test("where the message is lost the worker's exchanges tell of the job, which it gets once", async () => {
  await inWorld(async (world) => {
    const idle = await waiting(world);
    const id = await enqueueUnheard(world, idle);
    const job = await claimOne(idle);
    expect(job.id).toBe(id);
    expect(await idle.claim()).toEqual([]);
    expect(await idle.settle(done, job)).toEqual(["succeeded"]);
    // Handed over again, when the worker has said that it heard, and listens.
    await expect.poll(() => server.client.publish(workerChannel(idle.id), "")).toBe(1);
    const [next = ""] = await world.enqueue({});
    expect(await isHanded(world, idle)).toBe(true);
    expect((await claimOne(idle)).id).toBe(next);
  });
});

test("one that its worker never hears of goes to others when the worker is dead", async () => {
  await inWorld(async (world) => {
    const idle = await waiting(world);
    const id = await enqueueUnheard(world, idle);
    expect(await stateOf(world, id)).toBe("running");
    await world.advance(2 * idle.leaseDurationMs);
    await vi.waitFor(async () => {
      await world.sweep();
      expect(await stateOf(world, id)).not.toBe("running");
    });
    const other = await world.worker();
    expect((await other.claimOne({ capacity: 1 })).id).toBe(id);
  });
});

test("one that its worker does not ask for is given back before long", async () => {
  await inWorld(async (world) => {
    const idle = await waiting(world);
    const [id = ""] = await world.enqueue({});
    expect(await isHanded(world, idle)).toBe(true);
    await expect.poll(() => stateOf(world, id)).toBe("ready");
    const other = await world.worker();
    const job = await other.claimOne();
    expect(job).toMatchObject({ id, attempt: 1, crashes: 0 });
    expect(await other.settle(done, job)).toEqual(["succeeded"]);
  });
});

test("a worker that is handed more than it has slots for gives the rest back", async () => {
  await inWorld(async (world) => {
    const idle = await waiting(world, { offers: [offerOf("mail"), offerOf("post")] });
    const ids = [
      ...(await world.enqueue({ queue: "mail", type: "mail" })),
      ...(await world.enqueue({ queue: "post", type: "post" })),
    ];
    const job = await claimOne(idle);
    const rest = ids.find((id) => id !== job.id) ?? "";
    await expect.poll(() => stateOf(world, rest)).toBe("ready");
    expect(await stateOf(world, job.id)).toBe("running");
  });
});

test("nothing is handed over behind others, while the queue is paused, or to who did not ask for it", async () => {
  await inWorld(async (world) => {
    const { enqueue, enqueueMany, store, worker } = world;
    const plain = await worker();
    expect(await plain.claim({ capacity: 1 })).toEqual([]);
    const [unasked = ""] = await enqueue({});
    expect(await stateOf(world, unasked)).toBe("ready");
    await plain.settle(done, await plain.claimOne());

    const idle = await waiting(world);
    for (const id of await enqueueMany(2)) expect(await stateOf(world, id)).toBe("ready");
    await plain.settle(done, ...(await plain.claim()));

    expect(await idle.claim({ capacity: 1 })).toEqual([]);
    await store.setPaused({ queue: "mail", paused: true, by: "ops", reason: "a test" });
    const [paused = ""] = await enqueue({});
    expect(await stateOf(world, paused)).toBe("ready");
  });
});
