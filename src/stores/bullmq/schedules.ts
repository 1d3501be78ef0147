// Schedules: Millrace's own records beside BullMQ's queues. A tick adds its jobs and moves its schedule on in one act.
import { isTerminal } from "../../core/job.ts";
import type {
  ScheduleChange,
  ScheduleChangeReply,
  SchedulePage,
  ScheduleQuery,
  ScheduleRecord,
  TickCommand,
  TickReply,
} from "../../core/schedule-record.ts";
import {
  changeSchedule,
  firesAtMs,
  nameOfChange,
  tickSchedule,
} from "../../core/schedule-transitions.ts";
import { cutSchedulePage } from "../schedule-page.ts";
import { checkJob } from "./abilities.ts";
import { type Context, findJobs, typesNamed } from "./context.ts";
import { addJob } from "./enqueue.ts";
import type { Keys } from "./keys.ts";
import type { Sent, Turn, Writes } from "./link.ts";
import { readUnbounded, writeUnbounded } from "./records.ts";
import { registerQueues } from "./registry.ts";

/** Keeps, pauses, resumes and removes schedules, in their order. */
export async function changeSchedules(
  context: Context,
  changes: readonly ScheduleChange[],
): Promise<readonly ScheduleChangeReply[]> {
  const replies: ScheduleChangeReply[] = [];
  for (const change of changes) {
    if (change.kind === "put") checkJob(change.schedule.job);
    replies.push(await changeOne(context, change));
  }
  return replies;
}

function changeOne({ link }: Context, change: ScheduleChange): Promise<ScheduleChangeReply> {
  const { keys } = link;
  const name = nameOfChange(change);
  return link.guard("schedule", async (turn) => {
    const known = await watchSchedule(turn, keys, name);
    const changed = changeSchedule(known, change, Date.now());
    if (changed === known) return { isChanged: false, schedule: changed };
    return turn.commit((writes) => writeSchedule(writes, keys, name, changed), {
      isChanged: true,
      schedule: changed ?? known,
    });
  });
}

async function watchSchedule(turn: Turn, keys: Keys, name: string): Promise<ScheduleRecord | null> {
  const key = keys.schedule(name);
  const [text] = await turn.watch([key], [["GET", key]]);
  return text === null ? null : (readUnbounded(text as string) as ScheduleRecord);
}

function writeSchedule(
  writes: Writes,
  keys: Keys,
  name: string,
  record: ScheduleRecord | null,
): void {
  const fireAtMs = record === null ? null : firesAtMs(record);
  if (record === null) {
    writes.add("DEL", keys.schedule(name));
    writes.add("ZREM", keys.scheduleNames, name);
  } else {
    writes.add("SET", keys.schedule(name), writeUnbounded(record));
    writes.add("ZADD", keys.scheduleNames, 0, name);
  }
  if (fireAtMs === null) writes.add("ZREM", keys.dueSchedules, name);
  else writes.add("ZADD", keys.dueSchedules, fireAtMs, name);
}

/** Schedules by name, page by page, or those that are due. */
export async function readSchedules(context: Context, query: ScheduleQuery): Promise<SchedulePage> {
  const nowMs = Date.now();
  if (query.kind === "due") return readDue(context, query.limit, nowMs);
  if (query.kind === "named") {
    const schedules = await readNamed(context, query.names);
    return { nowMs, schedules, lookAgainInMs: null };
  }
  const { link } = context;
  const from = query.cursor === undefined ? "-" : `(${query.cursor}`;
  const [names] = await link.read([["ZRANGEBYLEX", link.keys.scheduleNames, from, "+"]]);
  return cutSchedulePage(await readNamed(context, names as readonly string[]), query, nowMs);
}

async function readNamed(
  { link }: Context,
  names: readonly string[],
): Promise<readonly ScheduleRecord[]> {
  const texts = await link.read(names.map((name): Sent => ["GET", link.keys.schedule(name)]));
  return texts.flatMap((text) =>
    text === null ? [] : [readUnbounded(text as string) as ScheduleRecord],
  );
}

async function readDue(context: Context, limit: number, nowMs: number): Promise<SchedulePage> {
  const { link } = context;
  // One more than asked for says when the next one fires.
  const [flat] = await link.read([["ZRANGE", link.keys.dueSchedules, 0, limit, "WITHSCORES"]]);
  const entries = flat as readonly string[];
  const names: string[] = [];
  let lookAgainInMs: number | null = null;
  for (let at = 0; at + 1 < entries.length; at += 2) {
    const fireAtMs = Number(entries[at + 1]);
    if (fireAtMs <= nowMs && names.length < limit) names.push(entries[at] ?? "");
    else {
      lookAgainInMs = Math.max(0, fireAtMs - nowMs);
      break;
    }
  }
  return { nowMs, schedules: await readNamed(context, names), lookAgainInMs };
}

/** Fires ticks. */
export async function fireTicks(
  context: Context,
  ticks: readonly TickCommand[],
): Promise<readonly TickReply[]> {
  const replies: TickReply[] = [];
  for (const command of ticks) replies.push(await fire(context, command));
  return replies;
}

async function fire(context: Context, command: TickCommand): Promise<TickReply> {
  const { link } = context;
  const { keys } = link;
  const [read] = await readNamed(context, [command.name]);
  if (read !== undefined) await registerQueues(context, [read.job.queue]);
  return link.guard("tick", async (turn): Promise<TickReply> => {
    const known = await watchSchedule(turn, keys, command.name);
    if (known === null) return { accepted: false, why: "gone" };
    const nowMs = Date.now();
    const isLastActive = command.isSkippedWhileActive && (await isActive(context, known));
    const transition = tickSchedule(known, command, { isLastActive, nowMs });
    if (transition.kind === "rejected") return { accepted: false, why: transition.why };
    const { schedule, jobs, skipped } = transition;
    const types = await typesNamed(turn.read.bind(turn), keys.types, [known.job.type]);
    return turn.commit(
      (writes) => {
        writeSchedule(writes, keys, command.name, schedule);
        for (const job of jobs) addJob(writes, turn.peer, keys, job, nowMs, types);
      },
      {
        accepted: true,
        jobs: jobs.map(({ id }) => ({ id, state: "ready" as const, isNew: true })),
        skipped,
      },
    );
  });
}

async function isActive(context: Context, { last }: ScheduleRecord): Promise<boolean> {
  if (last === null) return false;
  const [job] = await findJobs(context, [last.jobId]);
  return job != null && !isTerminal(job.record.state);
}
