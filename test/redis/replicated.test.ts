// What durability `replicated` rests on: whoever waits for replicas wrote something on the same connection.
import { expect, onTestFinished, test } from "vitest";
import { roomOf } from "../../src/stores/redis/layout.ts";
import { openLink } from "../../src/stores/redis/link/link.ts";
import { REPORT } from "../../src/stores/redis/scripts/report.ts";
import { readRedisUrl } from "../../src/stores/redis/url.ts";
import { Arguments } from "../../src/stores/redis/link/wire.ts";
import { startRedis } from "../servers/redis-server.ts";
import { allScripts } from "../servers/scripts.ts";

test("a call that comes again, as after a lost reply, writes too", async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const link = await openLink({
    location: readRedisUrl(server.url),
    replicas: 0,
    deadlineMs: 10_000,
    connectionName: "test",
    clock: undefined,
  });
  onTestFinished(() => link.close());
  const changes = async (): Promise<number> =>
    Number(/rdb_changes_since_last_save:(\d+)/.exec(await server.client.info("persistence"))?.[1]);
  const { keys } = roomOf("default", "mail", 0);
  const args = new Arguments().raw(Buffer.alloc(12, 7)).text("").number(0);
  const first = await link.call(REPORT, keys, args);
  const before = await changes();
  expect((await link.call(REPORT, keys, args)).slice(1)).toEqual(first.slice(1));
  expect(await changes()).toBeGreaterThan(before);
});

test("every script that recognises a call that comes again says its reply by writing it", async () => {
  const recognising = (await allScripts()).filter(({ source }) =>
    /HMGET', META,[^\n]*'n' \.\. nonce/.test(source),
  );
  expect(recognising.length).toBeGreaterThan(5);
  // Once where it is defined, and once where it is called.
  const silent = recognising.filter(({ source }) => source.split("say_again(nonce").length < 3);
  expect(silent.map(({ name }) => name)).toEqual([]);
});
