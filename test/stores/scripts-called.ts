// Which scripts of the store a server was asked for, by its log of slow calls: one that logs every call.
import type { Script } from "../../src/stores/redis/scripts/script.ts";
import type { RedisServer } from "../servers/redis-server.ts";

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
      /^evalsha$/i.test(command) ? scripts.filter((each) => each.sha === sha) : [],
    )
    .map(({ name }) => name);
}
