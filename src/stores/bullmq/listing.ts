// Lists: jobs newest first by id, gathered from BullMQ's lists, which are in other orders.
import type { JobId } from "../../core/ids.ts";
import type { JobLogLine, JobRecord, JobState } from "../../core/job.ts";
import type { JobFilter, JobPage, ListRequest, LogsRequest } from "../../core/store.ts";
import { type Context, placesOf, queueNames } from "./context.ts";
import type { Sent } from "./link.ts";
import { readLogLine } from "./log-lines.ts";
import { type BullList, type Place, READS_PER_JOB, idOf, readFound, readsOf } from "./records.ts";

/** Most jobs of one list of a queue that a listing looks through: 36 bytes each are sent for every page. */
const MAX_LISTED = 100_000;
/** Jobs read at a time. */
const CHUNK = 200;

const LISTS: Readonly<Record<JobState, readonly BullList[]>> = {
  scheduled: ["delayed"],
  ready: ["wait", "prioritized"],
  running: ["active"],
  waiting: ["waiting-children"],
  succeeded: ["completed"],
  failed: ["failed"],
  cancelled: ["failed"],
};

/** One page of jobs. */
export async function listJobs(context: Context, request: ListRequest): Promise<JobPage> {
  const { filter, limit, cursor } = request;
  const states = filter.states ?? (Object.keys(LISTS) as JobState[]);
  const lists = [...new Set(states.flatMap((state) => LISTS[state]))];
  const queues = filter.queue === undefined ? await queueNames(context) : [filter.queue];
  const places = await gather(context, queues, lists);
  const before = cursor === undefined ? undefined : idOfCursor(cursor);
  const wanted = places
    .filter(({ id }) => before === undefined || id < before)
    .sort((left, right) => (left.id < right.id ? 1 : -1));
  const jobs: JobRecord[] = [];
  for (let from = 0; from < wanted.length; from += CHUNK) {
    for (const record of await readRecords(context, wanted.slice(from, from + CHUNK))) {
      if (!fits(record, filter)) continue;
      if (jobs.length === limit) return { jobs, cursor: cursorOf(jobs.at(-1)?.id ?? "") };
      jobs.push(record);
    }
  }
  return { jobs };
}

function cursorOf(id: JobId): string {
  return id.replaceAll("-", "");
}

function idOfCursor(cursor: string): JobId {
  return [0, 8, 12, 16, 20]
    .map((from, index, starts) => cursor.slice(from, starts[index + 1] ?? 32))
    .join("-");
}

function fits(record: JobRecord, { states, type, queue, tag }: JobFilter): boolean {
  return (
    (states === undefined || states.includes(record.state)) &&
    (type === undefined || record.type === type) &&
    (queue === undefined || record.queue === queue) &&
    (tag === undefined || record.tags.includes(tag))
  );
}

async function gather(
  { link }: Context,
  queues: readonly string[],
  lists: readonly BullList[],
): Promise<readonly Place[]> {
  const { keys } = link;
  const asked = queues.flatMap((queue) => lists.map((list) => ({ queue, list })));
  const replies = await link.read(
    asked.map(({ queue, list }): Sent => {
      const isList = list === "wait" || list === "active";
      return [
        isList ? "LRANGE" : list === "delayed" || list === "prioritized" ? "ZRANGE" : "ZREVRANGE",
        keys.bull(queue, list),
        0,
        MAX_LISTED - 1,
      ];
    }),
  );
  const found = new Map<string, { queue: string; bullId: string }>();
  for (const [index, { queue }] of asked.entries()) {
    for (const bullId of replies[index] as readonly string[]) {
      found.set(`${queue}:${bullId}`, { queue, bullId });
    }
  }
  return name({ link }, [...found.values()]);
}

/** Names jobs by their ids; those of other producers are remembered by them, so that they can be asked for. */
async function name(
  { link }: Pick<Context, "link">,
  jobs: readonly { readonly queue: string; readonly bullId: string }[],
): Promise<readonly Place[]> {
  const { keys } = link;
  const foreign = jobs.filter(({ queue, bullId }) => idOf(queue, bullId, 0) !== bullId);
  const times = await link.read(
    foreign.map(({ queue, bullId }): Sent => ["HGET", keys.bull(queue, bullId), "timestamp"]),
  );
  const timeOf = new Map(foreign.map((job, index) => [job, times[index]]));
  const places = jobs.flatMap((job): Place[] => {
    const time = timeOf.get(job);
    if (time === null) return [];
    return [{ ...job, id: idOf(job.queue, job.bullId, Number(time ?? 0)) }];
  });
  await link.read(
    places
      .filter(({ id, bullId }) => id !== bullId)
      .map(({ id, queue, bullId }): Sent => ["HSET", keys.aliases, id, `${queue}:${bullId}`]),
  );
  return places;
}

async function readRecords(
  { link }: Context,
  places: readonly Place[],
): Promise<readonly JobRecord[]> {
  const replies = await link.read(
    places.flatMap(({ queue, bullId }) => readsOf(link.keys, queue, bullId)),
  );
  return places.flatMap(({ queue, bullId }, index) => {
    const from = index * READS_PER_JOB;
    const found = readFound(queue, bullId, replies.slice(from, from + READS_PER_JOB));
    return found === null ? [] : [found.record];
  });
}

/** The lines that a job logged. */
export async function readLogs(
  context: Context,
  { id, afterSeq = 0, limit }: LogsRequest,
): Promise<readonly JobLogLine[]> {
  const { link } = context;
  const places = (await placesOf(context, [id])).get(id) ?? [];
  const replies = await link.read(
    places.map(({ queue, bullId }): Sent => [
      "LRANGE",
      `${link.keys.bull(queue, bullId)}:logs`,
      afterSeq,
      afterSeq + limit - 1,
    ]),
  );
  const lines = replies.flatMap((reply) => reply as readonly string[]);
  return lines.map((text, index) => ({ seq: afterSeq + index + 1, ...readLogLine(text) }));
}
