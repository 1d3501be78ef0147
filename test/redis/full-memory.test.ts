// A server at its maxmemory refuses what is new, by a code that says so.
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineJob, openMillrace, silentLogger } from "millrace";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test.each(["redis", "bullmq+redis"])(
  "%s refuses an enqueue when the memory is full",
  async (scheme) => {
    const idle = defineJob({ name: "idle" });
    const store = server.url.replace(/^redis/, scheme);
    await using mill = await openMillrace({ store, jobs: [idle], logger: silentLogger });
    await mill.enqueue(idle, {});
    await server.client.config("SET", "maxmemory", "1");
    try {
      await expect(mill.enqueue(idle, {})).rejects.toMatchObject({ code: "STORE_FULL" });
    } finally {
      await server.client.config("SET", "maxmemory", "0");
    }
  },
);
