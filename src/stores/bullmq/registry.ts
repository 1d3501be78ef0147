// Which queues there are: those that Millrace used, and those of other producers that a look at the server finds.
import { checkQueueName } from "./abilities.ts";
import type { Context } from "./context.ts";
import type { Sent } from "./link.ts";

/** Queues told in the stream of news; older ones are found in the set. */
const MAX_NEWS = 1_000;
/** Keys looked at in one step of the look at the server. */
const SCAN_COUNT = 1_000;
/** How long what a look found is held to be all. */
const DISCOVERED_MS = 30_000;

/** Makes queues known to all who use the namespace. */
export async function registerQueues(context: Context, queues: readonly string[]): Promise<void> {
  const fresh = [...new Set(queues)].filter((queue) => !context.knownQueues.has(queue));
  if (fresh.length === 0) return;
  for (const queue of fresh) checkQueueName(queue);
  const { link } = context;
  const { keys } = link;
  const latest = await link.read(
    fresh.map((queue): Sent => ["XREVRANGE", keys.bull(queue, "events"), "+", "-", "COUNT", 1]),
  );
  await link.read(
    fresh.flatMap((queue, index): Sent[] => [
      ["SADD", keys.queues, queue],
      [
        "XADD",
        keys.news,
        "MAXLEN",
        "~",
        MAX_NEWS,
        "*",
        "queue",
        queue,
        "from",
        latestId(latest[index]),
      ],
    ]),
  );
  for (const queue of fresh) context.knownQueues.add(queue);
}

/** The id of a stream's latest entry, as XREVRANGE gives it. */
export function latestId(reply: unknown): string {
  return (reply as readonly (readonly [string, unknown])[])[0]?.[0] ?? "0-0";
}

/** Looks for queues that other producers made, unless it was done a moment ago. */
export function createDiscovery(context: Context): () => Promise<void> {
  let doneAtMs = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | null = null;
  return async () => {
    if (performance.now() - doneAtMs < DISCOVERED_MS) return;
    running ??= discover(context).finally(() => {
      running = null;
      doneAtMs = performance.now();
    });
    await running;
  };
}

/** Every queue of BullMQ's has a key `meta`, and once it had a job `id`; those of Bull 4 have the second alone. */
async function discover(context: Context): Promise<void> {
  const { link } = context;
  const { prefix } = link.keys;
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}:*:[im][de]*`;
  const found = new Set<string>();
  let cursor = "0";
  do {
    const [reply] = await link.read([["SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT]]);
    const [next, names] = reply as [string, string[]];
    cursor = next;
    for (const name of names) {
      const queue = /^(.*):(?:id|meta)$/.exec(name.slice(prefix.length + 1))?.[1] ?? "";
      // A colon is of another namespace's prefix, or of Millrace's own keys.
      if (queue !== "" && !queue.includes(":")) found.add(queue);
    }
  } while (cursor !== "0");
  await registerQueues(context, [...found]);
}
