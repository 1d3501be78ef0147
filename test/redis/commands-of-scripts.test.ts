// What scripts use of a server: nothing that came after Redis 7.0, so that Valkey, which is a fork of 7.2, has it too.
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "../servers/redis-server.ts";
import { allScripts } from "../servers/scripts.ts";

/** Functions of the object `redis`, which Valkey keeps beside its own `server`, and of the libraries of both. */
const FUNCTIONS = new Set([
  "redis.call",
  "redis.error_reply",
  "redis.pcall",
  "cjson.decode",
  "cjson.encode",
  "cmsgpack.pack",
  "cmsgpack.unpack",
  "struct.pack",
  "struct.unpack",
]);
const LAST_SHARED_VERSION = 7.0;

test("every command and every function of the scripts is of Redis 7.0 or before", async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const sources = (await allScripts()).map(({ source }) => source.replaceAll(/--.*$/gm, ""));
  const functions = sources.flatMap(
    (source) => source.match(/\b(?:redis|server|cjson|cmsgpack|struct|bit)\.[a-z_]+/g) ?? [],
  );
  expect(functions.length).toBeGreaterThan(0);
  expect(functions.filter((each) => !FUNCTIONS.has(each))).toEqual([]);

  const commands = new Set(
    sources.flatMap((source) =>
      [...source.matchAll(/\bp?call\(\s*'([A-Z]+)'/g)].map(([, name = ""]) => name.toLowerCase()),
    ),
  );
  expect(commands.size).toBeGreaterThan(10);
  const told = (await server.client.call("COMMAND", "DOCS", ...commands)) as readonly unknown[];
  const tooNew: string[] = [];
  for (let at = 0; at < told.length; at += 2) {
    const facts = told[at + 1] as readonly unknown[];
    const since = String(facts[facts.indexOf("since") + 1]);
    if (Number.parseFloat(since) > LAST_SHARED_VERSION) tooNew.push(`${String(told[at])} ${since}`);
  }
  expect({ described: told.length / 2, tooNew }).toEqual({ described: commands.size, tooNew: [] });
});
