// What a tick's schedule and due time decide: its job's id and its share of the jitter, the same in every process.
import { createHash } from "node:crypto";
import { type JobId, idTimeMs, queueHash } from "../core/index.ts";

/**
 * The id of the job of a tick: a UUIDv7 made of schedule, due time and queue alone, so that however many processes fire
 * one tick, they make one job. The time in it is that of the tick, which is due at a whole second; the milliseconds hold ten of the hash's 68 bits: of 10,000 schedules of one queue that are due in the same second, two have
 * one id in fewer than one of 10^12 such seconds.
 */
export function tickJobId(schedule: string, dueAtMs: number, queue: string): JobId {
  const hash = hashOf("tick", schedule, dueAtMs);
  const timeMs = Math.floor(dueAtMs / 1_000) * 1_000 + (hash.readUInt16BE(0) % 1_000);
  const time = timeMs.toString(16).padStart(12, "0");
  const version = (0x7000 | (hash.readUInt16BE(2) & 0x0fff)).toString(16);
  const variant = (0x8000 | (hash.readUInt16BE(4) & 0x3fff)).toString(16);
  const rest = hash.toString("hex", 6, 10);
  const tail = queueHash(queue).toString(16).padStart(4, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}-${variant}-${rest}${tail}`;
}

/** Every tick's job bears this tag, its schedule's name behind it, so that lists can be filtered by it. */
export const SCHEDULE_TAG_PREFIX = "schedule:";

/** The tick that a job belongs to. */
export interface TickOfJob {
  readonly schedule: string;
  /** When it was due by its rhythm, however late it runs. */
  readonly dueAt: Date;
}

/**
 * Tells a handler which tick its job is; `null` for a job that no schedule made by itself, "run now" included.
 *
 * @example const day = tickOf(job)?.dueAt ?? new Date();
 */
export function tickOf(job: {
  readonly id: JobId;
  readonly queue: string;
  readonly tags: readonly string[];
}): TickOfJob | null {
  const dueAtMs = Math.floor(idTimeMs(job.id) / 1_000) * 1_000;
  for (const tag of job.tags) {
    const schedule = tag.slice(SCHEDULE_TAG_PREFIX.length);
    const isTick =
      tag.startsWith(SCHEDULE_TAG_PREFIX) && tickJobId(schedule, dueAtMs, job.queue) === job.id;
    if (isTick) return { schedule, dueAt: new Date(dueAtMs) };
  }
  return null;
}

/** By how much a tick is put off: 0 to just under the schedule's jitter. */
export function tickJitterMs(schedule: string, dueAtMs: number, jitterMs: number): number {
  if (jitterMs === 0) return 0;
  return Math.floor((hashOf("jitter", schedule, dueAtMs).readUInt32BE(0) / 2 ** 32) * jitterMs);
}

/** SHA-256, so that a change of one letter or one second changes all; never to be changed, or ticks come twice. */
function hashOf(purpose: string, schedule: string, dueAtMs: number): Buffer {
  return createHash("sha256").update(`${purpose} ${dueAtMs} ${schedule}`).digest();
}
