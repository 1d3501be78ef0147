// A server at its maxmemory is told to who asks after the store, not only to who enqueues.
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineJob, openMillrace, silentLogger } from "millrace";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

test.each(["redis", "bullmq+redis"])("%s tells a full memory as a problem", async (scheme) => {
  const idle = defineJob({ name: "idle" });
  const store = server.url.replace(/^redis/, scheme);
  await using mill = await openMillrace({ store, jobs: [idle], logger: silentLogger });
  await mill.enqueue(idle, {});
  expect(await mill.describe()).toMatchObject({ isFull: false });
  await server.client.config("SET", "maxmemory", "1");
  try {
    await expect(mill.enqueue(idle, {})).rejects.toMatchObject({ code: "STORE_FULL" });
    const told = await mill.describe();
    expect(told.isFull).toBe(true);
    expect(told.findings).toContainEqual({
      level: "problem",
      message: expect.stringContaining("the memory is full"),
    });
  } finally {
    await server.client.config("SET", "maxmemory", "0");
  }
  expect(await mill.describe()).toMatchObject({ isFull: false });
});
