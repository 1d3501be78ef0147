// Makes BullMQ's scripts known to a server before they are used in a transaction.
import type { Redis } from "../redis/link/connect.ts";

interface LoadedScript {
  readonly lua: string;
  readonly sha: string;
}

/** The scripts that guarded changes use. */
const USED = [
  "addStandardJob",
  "addDelayedJob",
  "addPrioritizedJob",
  "moveToFinished",
  "moveToDelayed",
  "retryJob",
  "reprocessJob",
  "removeJob",
] as const;

/**
 * Loads what is missing. ioredis sends a script whole once per connection and by its hash from then on; a transaction
 * that is given up because a watched key changed ran nothing, so the hash would not be known to the server.
 */
export async function preload(client: Redis): Promise<void> {
  const defined = client.scriptsSet as Readonly<Record<string, LoadedScript>>;
  const used = Object.entries(defined)
    .filter(([name]) => USED.some((each) => name.startsWith(`${each}:`)))
    .map(([, script]) => script);
  const known = (await client.script("EXISTS", ...used.map(({ sha }) => sha))) as number[];
  await Promise.all(
    used.filter((_, index) => known[index] !== 1).map(({ lua }) => client.script("LOAD", lua)),
  );
}

/** The version of BullMQ on a client: its scripts are named by it. */
export function versionOf(client: Redis): string {
  const name = Object.keys(client.scriptsSet).find((each) => each.startsWith(`${USED[0]}:`));
  return name?.slice(USED[0].length + 1) ?? "";
}
