// No script of the Redis store lets a key of a room go, not for a moment: while a slot migrates, a key that is gone can't
// be written again, the script is cut off in its middle, and what it had taken by then is lost.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RedisServer, startRedis } from "../servers/redis-server.ts";
import { testAgainstModel } from "./model/run.ts";
import { onRedisAt } from "./redis-harness.ts";

const ROOM_KEY = /^\{mr\d+\|[^|]*\|[^|]+\|\d+\}/;

let server: RedisServer;
let watcher: RedisServer["client"];
const gone = new Set<string>();
let keysSeen = 0;

beforeAll(async () => {
  server = await startRedis();
  // What a command leaves empty is told like what is deleted; new keys, so that the test knows that it is told anything.
  await server.client.config("SET", "notify-keyspace-events", "Egn");
  watcher = server.client.duplicate();
  watcher.on("message", (channel, key) => {
    if (!ROOM_KEY.test(key)) return;
    if (channel.endsWith(":new")) keysSeen += 1;
    else gone.add(`${channel} ${key.replace(ROOM_KEY, "")}`);
  });
  await watcher.subscribe("__keyevent@0__:del", "__keyevent@0__:expired", "__keyevent@0__:new");
});
afterAll(async () => {
  watcher.disconnect();
  await server.stop();
});

testAgainstModel(
  "Redis, watched key by key,",
  onRedisAt(() => server.url),
  25,
);

test("no key of a room was gone for a moment", () => {
  expect(keysSeen).toBeGreaterThan(0);
  expect([...gone]).toEqual([]);
});
