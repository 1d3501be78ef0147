// What a server says of the store's insides: which scripts it was asked for, where it logs every call as a slow one, and
// which rows it keeps of runs.
import type { Script } from "../../src/stores/redis/scripts/script.ts";
import type { RedisServer } from "../servers/redis-server.ts";
import { hashesOf } from "../servers/scripts.ts";

/** Names of those of some scripts that were called since it was last asked, the latest first. */
export async function calledOf(
  { client }: Pick<RedisServer, "client">,
  scripts: readonly Script[],
): Promise<readonly string[]> {
  const entries = (await client.call("SLOWLOG", "GET", -1)) as readonly [
    number,
    number,
    number,
    readonly string[],
  ][];
  await client.call("SLOWLOG", "RESET");
  return entries
    .flatMap(([, , , [command = "", sha]]) =>
      /^evalsha$/i.test(command)
        ? scripts.filter((each) => hashesOf(each).includes(sha ?? ""))
        : [],
    )
    .map(({ name }) => name);
}

/** What the records of runs of a queue hold, and its indexes. */
export async function rowsLeft(
  { client }: Pick<RedisServer, "client">,
  namespace: string,
  queue: string,
): Promise<readonly string[]> {
  const sets = await client.keys(`*${namespace}|${queue}|*}[uitx]`);
  const rows = await Promise.all(
    sets.map(async (key) =>
      (await client.type(key)) === "zset" ? client.zrange(key, "0", "-1") : [],
    ),
  );
  // Beside what ends a run are the lease of its worker or its end, and what that has not said to have heard.
  return rows.flat().filter((row) => row !== "" && !/^[lz\ufffd]/u.test(row));
}
