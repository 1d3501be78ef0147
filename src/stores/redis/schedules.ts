// Schedules: one record each in the directory's slot. A tick moves its schedule on and writes its jobs to the outbox.
import { isTerminal } from "../../core/job.ts";
import {
  changeSchedule,
  firesAtMs,
  nameOfChange,
  tickSchedule,
} from "../../core/schedule-transitions.ts";
import type {
  ScheduleChange,
  ScheduleChangeReply,
  SchedulePage,
  ScheduleQuery,
  ScheduleRecord,
  TickCommand,
  TickReply,
} from "../../core/schedule-record.ts";
import type { EnqueueReply, NewJob } from "../../core/store.ts";
import { MillraceError } from "../../core/errors.ts";
import { cutSchedulePage } from "../schedule-page.ts";
import { type Context, storeNowMs } from "./context.ts";
import { deliver, readJob, writeEntry, writeJob } from "./outbox.ts";
import { findJobs } from "./reading.ts";
import { SYMBOLIC_NOW_MS, writeSymbolic } from "./records.ts";
import { DUE_SCHEDULES, WRITE_SCHEDULES } from "./scripts/schedules.ts";
import { Arguments } from "./link/wire.ts";

/** How often a change is decided anew because another came first. */
const MAX_TRIES = 20;

interface Found {
  /** As it is kept; empty where there is none. */
  readonly text: string;
  readonly record: ScheduleRecord | null;
}

/** Keeps, pauses, resumes and removes schedules, in their order. */
export async function changeSchedules(
  context: Context,
  changes: readonly ScheduleChange[],
): Promise<readonly ScheduleChangeReply[]> {
  const replies: ScheduleChangeReply[] = [];
  for (const change of changes) replies.push(await changeOne(context, change));
  return replies;
}

async function changeOne(context: Context, change: ScheduleChange): Promise<ScheduleChangeReply> {
  const name = nameOfChange(change);
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const known = await find(context, name);
    const changed = changeSchedule(known.record, change, SYMBOLIC_NOW_MS);
    if (changed === known.record) return { isChanged: false, schedule: changed };
    if (!(await write(context, name, known, changed, []))) continue;
    if (changed === null) return { isChanged: true, schedule: known.record };
    return { isChanged: true, schedule: (await find(context, name)).record };
  }
  throw busy(name);
}

function busy(name: string): MillraceError {
  return new MillraceError("STORE_BUSY", {
    message: `schedule ${name} is being changed by others all the time; try again`,
  });
}

/** Schedules by name, page by page, or those that are due. */
export async function readSchedules(context: Context, query: ScheduleQuery): Promise<SchedulePage> {
  if (query.kind === "due") return readDue(context, query.limit);
  const nowMs = await storeNowMs(context);
  if (query.kind === "named") {
    const found = await Promise.all(query.names.map((name) => find(context, name)));
    const schedules = found.map(({ record }) => record).filter((record) => record !== null);
    return { nowMs, schedules, lookAgainInMs: null };
  }
  const all = (await context.link.command("hvals", [context.directory.schedules])) as string[];
  const { cursor = "" } = query;
  const behind = all
    .map(decode)
    .filter(({ name }) => name > cursor)
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  return cutSchedulePage(behind, query, nowMs);
}

async function readDue(context: Context, limit: number): Promise<SchedulePage> {
  const { directory, link } = context;
  const keys = [directory.schedules, directory.due];
  const reply = await link.call(DUE_SCHEDULES, keys, new Arguments().number(limit));
  const untilNextMs = Number(reply[1]);
  return {
    nowMs: Number(reply[0]),
    schedules: reply
      .slice(2)
      .map(String)
      .filter((text) => text !== "")
      .map(decode),
    lookAgainInMs: untilNextMs < 0 ? null : untilNextMs,
  };
}

/**
 * Fires ticks: those of one schedule in their order, those of several side by side. One after the other 10,000 that were
 * due at once took 74 s on a busy machine, most of it waiting for three round trips each.
 */
export async function fireTicks(
  context: Context,
  ticks: readonly TickCommand[],
): Promise<readonly TickReply[]> {
  const last = new Map<string, Promise<unknown>>();
  const firing = ticks.map((command) => {
    const before = last.get(command.name);
    const own = before === undefined ? fire(context, command) : fireAfter(context, before, command);
    last.set(command.name, own);
    return own;
  });
  // All have ended before a failure is told: whoever tries again is not beside one that still goes on.
  await Promise.allSettled(firing);
  return Promise.all(firing);
}

async function fireAfter(
  context: Context,
  before: Promise<unknown>,
  command: TickCommand,
): Promise<TickReply> {
  await before;
  return fire(context, command);
}

async function fire(context: Context, command: TickCommand): Promise<TickReply> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const known = await find(context, command.name);
    if (known.record === null) return { accepted: false, why: "gone" };
    const transition = tickSchedule(known.record, command, {
      isLastActive: command.isSkippedWhileActive && (await isLastActive(context, known.record)),
      nowMs: SYMBOLIC_NOW_MS,
    });
    if (transition.kind === "rejected") return { accepted: false, why: transition.why };
    const entries = transition.jobs.map((job) => ({ job, nonce: context.nextNonce() }));
    if (!(await write(context, command.name, known, transition.schedule, entries))) continue;
    const jobs: EnqueueReply[] = await Promise.all(
      entries.map((entry) => deliver(context, context.directory.outbox, entry)),
    );
    return { accepted: true, jobs, skipped: transition.skipped };
  }
  throw busy(command.name);
}

async function isLastActive(context: Context, { last }: ScheduleRecord): Promise<boolean> {
  if (last === null) return false;
  const [job] = await findJobs(context, [last.jobId]);
  return job != null && !isTerminal(job.record.state);
}

async function find(context: Context, name: string): Promise<Found> {
  const text = await context.link.command("hget", [context.directory.schedules, name]);
  if (typeof text !== "string") return { text: "", record: null };
  return { text, record: decode(text) };
}

/** Writes a schedule and the jobs of its tick, if it is still as it was read. */
async function write(
  context: Context,
  name: string,
  before: Found,
  after: ScheduleRecord | null,
  entries: readonly { readonly job: NewJob; readonly nonce: Buffer }[],
): Promise<boolean> {
  const { directory, link } = context;
  const fireAtMs = after === null ? null : firesAtMs(after);
  const args = new Arguments()
    .text(name)
    .text(before.text)
    .text(after === null ? "" : encode(after))
    .text(fireAtMs === null ? "" : String(fireAtMs))
    .number(entries.length);
  for (const entry of entries) args.text(entry.job.id).text(writeEntry(entry));
  const keys = [directory.schedules, directory.due, directory.outbox];
  const reply = await link.call(WRITE_SCHEDULES, keys, args);
  return reply[0] === 1;
}

function encode(record: ScheduleRecord): string {
  return writeSymbolic(JSON.stringify({ ...record, job: writeJob(record.job) }));
}

function decode(text: string): ScheduleRecord {
  const record = JSON.parse(text) as ScheduleRecord;
  return { ...record, job: readJob(record.job) };
}
