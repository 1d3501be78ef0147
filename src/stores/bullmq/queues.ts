// Queues with their counts and pauses, and the types that were made known.
import type { QueueRecord, SetPaused, TypeRecord } from "../../core/store.ts";
import { namedQueues } from "../../core/listed-queues.ts";
import { refuseDraining } from "../../core/without-orders.ts";
import { checkType } from "./abilities.ts";
import { type Context, queueNames } from "./context.ts";
import type { Sent } from "./link.ts";
import { readUnbounded, writeUnbounded } from "./records.ts";
import { registerQueues } from "./registry.ts";
import { describeWorkers } from "./workers.ts";

const READS = 11;

/** The queues with their counts. */
export async function listQueues(context: Context): Promise<readonly QueueRecord[]> {
  const { link } = context;
  const { keys } = link;
  const [known, types, workers] = await Promise.all([
    queueNames(context),
    listTypes(context),
    describeWorkers(context),
  ]);
  const named = namedQueues({ types, workers });
  const names = [...new Set([...known, ...named])].sort();
  const replies = await link.read(
    names.flatMap((queue): Sent[] => [
      ["LLEN", keys.bull(queue, "wait")],
      ["ZCARD", keys.bull(queue, "prioritized")],
      ["LLEN", keys.bull(queue, "active")],
      ["ZCARD", keys.bull(queue, "delayed")],
      ["ZCARD", keys.bull(queue, "waiting-children")],
      ["ZCARD", keys.bull(queue, "completed")],
      ["ZCARD", keys.bull(queue, "failed")],
      ["SCARD", keys.cancelled(queue)],
      ["HGETALL", keys.bull(queue, "meta")],
      ["HGET", keys.pauses, queue],
      ["EXISTS", keys.bull(queue, "id")],
    ]),
  );
  await forgetPauses(context, names, replies);
  return names.flatMap((queue, index) => {
    const read = replies.slice(index * READS, (index + 1) * READS);
    const meta = read[8] as readonly string[];
    // A queue exists for BullMQ once it has one of these keys; for Bull 4, the second. It may be another program's.
    return meta.length === 0 && read[10] === 0 && !named.has(queue)
      ? []
      : [recordOf(queue, read.slice(0, 8).map(Number), meta, read[9])];
  });
}

/** Who paused a queue is of no interest once BullMQ's own means resumed it. */
async function forgetPauses(
  { link }: Context,
  names: readonly string[],
  replies: readonly unknown[],
): Promise<void> {
  const over = names.filter((_, index) => {
    const [meta, pause] = replies.slice(index * READS + 8, index * READS + 10);
    return pause !== null && !isPaused(meta as readonly string[]);
  });
  if (over.length > 0) await link.read([["HDEL", link.keys.pauses, ...over]]);
}

function isPaused(meta: readonly string[]): boolean {
  return meta.some((field, index) => index % 2 === 0 && field === "paused");
}

function recordOf(
  name: string,
  counts: readonly number[],
  meta: readonly string[],
  pause: unknown,
): QueueRecord {
  const [wait = 0, prioritized = 0, running = 0, scheduled = 0, waiting = 0] = counts;
  const [succeeded = 0, unsuccessful = 0, cancelled = 0] = counts.slice(5);
  // One that was paused by BullMQ's own means has no word of who did it.
  const paused =
    typeof pause === "string"
      ? (JSON.parse(pause) as NonNullable<QueueRecord["paused"]>)
      : { by: "bullmq", reason: "paused by BullMQ's own means", atMs: 0 };
  return {
    name,
    paused: isPaused(meta) ? paused : null,
    counts: {
      scheduled,
      ready: wait + prioritized,
      running,
      waiting,
      succeeded,
      failed: Math.max(0, unsuccessful - cancelled),
      cancelled: Math.min(cancelled, unsuccessful),
    },
  };
}

/** Pauses a queue, for BullMQ's own workers too, or resumes it. */
export async function setPaused(context: Context, request: SetPaused): Promise<void> {
  refuseDraining("BullMQ", request);
  const { queue, paused = false, by, reason } = request;
  await registerQueues(context, [queue]);
  const { link } = context;
  await link.run("pause", (peer) => peer.backend(queue).pause(paused));
  const text = JSON.stringify({ by, reason, atMs: Date.now() });
  await link.read([
    paused ? ["HSET", link.keys.pauses, queue, text] : ["HDEL", link.keys.pauses, queue],
  ]);
}

/** Makes types known, and with them their queues. */
export async function putTypes(context: Context, types: readonly TypeRecord[]): Promise<void> {
  const { link } = context;
  for (const type of types) checkType(type);
  await registerQueues(
    context,
    types.map(({ queue }) => queue),
  );
  await link.read(
    types.map((type): Sent => ["HSET", link.keys.types, type.name, writeUnbounded(type)]),
  );
}

/** The types that were made known. */
export async function listTypes({ link }: Context): Promise<readonly TypeRecord[]> {
  const [texts] = await link.read([["HVALS", link.keys.types]]);
  return (texts as readonly string[]).map((text) => readUnbounded(text) as TypeRecord);
}
