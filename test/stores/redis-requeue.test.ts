// Jobs on their way from one queue's room to another's: none is lost when the second half does not come about.
import { Redis } from "ioredis";
import { afterAll, expect, inject, test } from "vitest";
import { idInQueue } from "../../src/core/ids.ts";
import { MAX_LANES } from "../../src/stores/redis/layout.ts";
import { HOUR_MS, withWorld } from "../../src/testing/conformance/world.ts";
import { onRedis } from "./redis-harness.ts";

const harness = onRedis();
const server = new Redis(inject("redisUrl"));
afterAll(() => server.disconnect());

const order = { kind: "move", queue: "slow" } as const;

test("a job that was moved out and not in is delivered by a sweep, once", async () => {
  await withWorld(harness, {
    run: async ({ namespace, store, enqueue, record, sweep, now, job }) => {
      const [from, to] = ["mail", "slow"].map((queue) => `{mr1|${namespace}|${queue}|0}m`);
      await enqueue({ queue: "slow", type: "other" });
      // The target takes no lane more: what comes there fails, as if the mover had died before it.
      await server.hset(to ?? "", "L", MAX_LANES);
      const idempotency = { key: "k", rememberMs: HOUR_MS };
      const [id = ""] = await enqueue({ tags: ["t"], delayMs: HOUR_MS, idempotency });
      const moved = idInQueue(id, "slow");
      await expect(store.change({ ids: [id], order })).rejects.toMatchObject({ code: "TOO_MANY" });
      expect(await store.get({ ids: [id, moved] })).toEqual([null, null]);
      await sweep();
      await server.hset(to ?? "", "L", 1);
      for (let times = 0; times < 2; times += 1) await sweep();
      const kept = await record(moved);
      expect(kept).toMatchObject({ queue: "slow", state: "scheduled", tags: ["t"] });
      expect(kept.dueAtMs).toBeGreaterThan(await now());
      const left = await server.hkeys(from ?? "");
      expect(left.filter((field) => field.startsWith("O"))).toEqual([]);
      const again = await store.enqueue({ jobs: [job({ idempotency })] });
      expect(again).toMatchObject([{ id: moved, isNew: false }]);
    },
  });
});

test("places leave out what left its list out of its turn", async () => {
  await withWorld(harness, {
    run: async ({ store, enqueueMany }) => {
      const ids = await enqueueMany(300);
      const gone = ids.filter((_, index) => index % 3 === 0);
      await store.cancel({ ids: gone, reason: "r" });
      const left = ids.filter((_, index) => index % 3 !== 0);
      const places = await store.places({ ids: left });
      expect(places.map((place) => place?.ahead)).toEqual(left.map((_, index) => index));
    },
  });
});
