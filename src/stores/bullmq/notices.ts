// What Millrace tells in a queue's event stream: more than BullMQ's own events say, and marked so as not to be told twice.
import type { JobChange } from "../../core/events.ts";
import type { JobId } from "../../core/ids.ts";
import type { Keys } from "./keys.ts";
import type { Sent, Writes } from "./link.ts";

/** Name of Millrace's own events in BullMQ's stream. */
export const OWN_EVENT = "millrace";
/** BullMQ's own bound on a queue's events. */
const MAX_EVENTS = 10_000;

/** Changes of one job, told in the act that makes them. */
export interface Notice {
  readonly id: JobId;
  readonly queue: string;
  readonly bullId: string;
  readonly type: string;
  readonly atMs: number;
  readonly changes: readonly JobChange[];
  /** BullMQ's event of the same act, which follows and is not told for itself. */
  readonly covers: "completed" | "failed" | "removed" | "progress" | null;
  /** A wish that the job's worker should hear. */
  readonly cancel?: string;
}

/** The command that tells it. A result is left out: BullMQ's own event, which follows, has it. */
export function noticeCommand(keys: Keys, notice: Notice): Sent {
  const changes = notice.changes.map((change) =>
    change.kind === "succeeded" ? { ...change, result: "" } : change,
  );
  return [
    "XADD",
    keys.bull(notice.queue, "events"),
    "MAXLEN",
    "~",
    MAX_EVENTS,
    "*",
    "event",
    OWN_EVENT,
    "jobId",
    notice.bullId,
    "body",
    JSON.stringify({ ...notice, changes }),
  ];
}

/** Tells it within an act. */
export function tell(keys: Keys, writes: Writes, notice: Notice): void {
  writes.add(...noticeCommand(keys, notice));
}
