// Queues with their counts, and job types.
import { MillraceError } from "../../core/errors.ts";
import type { JobLogLine } from "../../core/job.ts";
import { isListedQueue, namedQueues } from "../../core/listed-queues.ts";
import type {
  ClosedDoor,
  LogsRequest,
  QueueRecord,
  SetPaused,
  TypeRecord,
} from "../../core/store.ts";
import { type Context, storeNowMs } from "./context.ts";
import { type Directory, layoutKeyOf } from "./layout.ts";
import type { Link } from "./link/link.ts";
import { outcomesOf } from "./exchange/patience.ts";
import { readRetention, writeRetention } from "./records.ts";
import { checkTypeLimits, noteTypes, readLimitTable } from "./flow/limits.ts";
import { MOVE_DOORS } from "./scripts/doors.ts";
import { COUNT_JOBS, READ_LOGS } from "./scripts/read.ts";
import { PUT_FIELDS } from "./scripts/settings.ts";
import { Arguments } from "./link/wire.ts";
import { describeWorkers } from "./workers/workers.ts";

/** The queues with their counts. */
export async function listQueues(context: Context): Promise<readonly QueueRecord[]> {
  const [known, limits, workers] = await Promise.all([
    context.rooms.queues(),
    readLimitTable(context),
    describeWorkers(context),
  ]);
  const types = (await context.types.readAnew()).values();
  const named = namedQueues({ types, workers, limits });
  const names = [...new Set([...known, ...named])].sort((a, b) => (a < b ? -1 : 1));
  const queues = await Promise.all(names.map((name) => countQueue(context, name)));
  return queues.filter((queue) => isListedQueue(queue, named));
}

async function countQueue(context: Context, name: string): Promise<QueueRecord> {
  const rooms = await context.rooms.ofQueue(name);
  const replies = await Promise.all(
    rooms.map((room) => context.link.call(COUNT_JOBS, room.keys, new Arguments().text("0"))),
  );
  const sum = (place: number): number =>
    replies.reduce((total, reply) => total + Number(reply[place]), 0);
  return {
    name,
    paused: readDoor(replies[0]?.[0]),
    draining: readDoor(replies[0]?.[7]),
    counts: {
      scheduled: sum(1),
      ready: sum(2),
      running: sum(3),
      waiting: sum(8),
      succeeded: sum(4),
      failed: sum(5),
      cancelled: sum(6),
    },
  };
}

function readDoor(part: unknown): ClosedDoor | null {
  const text = part instanceof Buffer ? part.toString() : "";
  return text === "" ? null : (JSON.parse(text) as ClosedDoor);
}

/** Opens or closes a queue's doors, in all of its rooms. */
export async function setPaused(context: Context, request: SetPaused): Promise<void> {
  const rooms = await context.rooms.ofQueue(request.queue, { isNew: true });
  const atMs = await storeNowMs(context);
  const door = JSON.stringify({ by: request.by, reason: request.reason, atMs });
  await Promise.all(
    rooms.map((room) => {
      const args = new Arguments()
        .text(door)
        .text(wanted(request.paused))
        .text(wanted(request.draining));
      return context.link.call(MOVE_DOORS, room.keys, args);
    }),
  );
}

function wanted(isClosed: boolean | undefined): string {
  if (isClosed === undefined) return "";
  return isClosed ? "1" : "0";
}

/** The lines that a job logged. */
export async function readLogs(
  context: Context,
  request: LogsRequest,
): Promise<readonly JobLogLine[]> {
  const lines: JobLogLine[] = [];
  for (const room of await context.rooms.ofId(request.id)) {
    const args = new Arguments()
      .id(request.id)
      .number(request.afterSeq ?? 0)
      .number(request.limit);
    const reply = await context.link.call(READ_LOGS, room.keys, args);
    for (let at = 0; at + 1 < reply.length; at += 2) {
      const line = JSON.parse(String(reply[at + 1])) as Omit<JobLogLine, "seq">;
      lines.push({ seq: Number(reply[at]), ...line });
    }
  }
  return lines;
}

/** How long types are held to be as they were read: a new policy of another process is heard of within it. */
const TYPES_FRESH_MS = 1_000;

/**
 * The types of a namespace, read at most once in a while. The primary of a Cluster that keeps them may be silent: what
 * the others keep is then settled by the types as they were read last.
 */
export function openTypes(
  link: Pick<Link, "command">,
  directory: Directory,
  patienceMs: number,
): Context["types"] {
  let known: ReadonlyMap<string, TypeRecord> | null = null;
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<ReadonlyMap<string, TypeRecord>> | null = null;
  let isSilent = false;
  const read = async (): Promise<ReadonlyMap<string, TypeRecord>> => {
    const values = (await link.command("hvals", [directory.types])) as string[];
    const types = values.map(readType).sort((a, b) => (a.name < b.name ? -1 : 1));
    known = new Map(types.map((type) => [type.name, type]));
    readAtMs = performance.now();
    return known;
  };
  return {
    read: async () => {
      if (known !== null && performance.now() - readAtMs < TYPES_FRESH_MS) return known;
      reading ??= read().finally(() => {
        reading = null;
        isSilent = false;
      });
      if (known === null) return reading;
      // The rooms of an exchange are waited for while this is: half of that leaves them time to answer.
      const [outcome] = await outcomesOf([{ answer: reading, isSilent }], patienceMs / 2, true);
      isSilent = reading !== null && outcome === null;
      return outcome?.status === "fulfilled" ? outcome.value : known;
    },
    readAnew: read,
    forget: () => {
      readAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}

function readType(text: string): TypeRecord {
  const type = JSON.parse(text) as TypeRecord;
  return { ...type, retention: readRetention(type.retention) };
}

/** Makes job types known. */
export async function putTypes(context: Context, types: readonly TypeRecord[]): Promise<void> {
  if (types.length === 0) return;
  await checkTypeLimits(context, types);
  const before = await context.types.readAnew();
  const fields = new Arguments();
  for (const type of types) {
    fields
      .text(type.name)
      .text(JSON.stringify({ ...type, retention: writeRetention(type.retention) }));
  }
  await context.link.call(PUT_FIELDS, [context.directory.types], fields);
  context.types.forget();
  await noteTypes(context, before, types);
}

/** The job types that were made known. */
export async function listTypes(context: Context): Promise<readonly TypeRecord[]> {
  return [...(await context.types.readAnew()).values()];
}

/**
 * Notes the layout's version in a new namespace, and refuses one of another.
 *
 * @throws MillraceError `STORE_VERSION`
 */
export async function checkLayout(link: Link, namespace: string, version: number): Promise<void> {
  const key = layoutKeyOf(namespace);
  let written = await link.command("get", [key]);
  if (written === null) {
    await link.command("set", [key, version, "NX"]);
    written = await link.command("get", [key]);
  }
  const found = Number(written);
  if (found === version) return;
  throw new MillraceError("STORE_VERSION", {
    message: `the namespace was written with layout ${found}; this version of Millrace knows layout ${version}. Use the same version everywhere, or another namespace`,
    details: { found, version },
  });
}
