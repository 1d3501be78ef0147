// What may be shown of a schedule: plain data, its input masked, times in ISO 8601.
import type { Redactor, Rhythm, ScheduleRecord, ScheduleSpec } from "../core/index.ts";
import type { ScheduleView } from "../runtime/index.ts";
import { describeSchedule } from "./prose.ts";

/** Shows a schedule. */
export function viewSchedule(record: ScheduleRecord, redact: Redactor): ScheduleView {
  const { job, next, last, paused } = record;
  const spec = JSON.parse(record.spec) as ScheduleSpec;
  return {
    name: record.name,
    type: job.type,
    queue: job.queue,
    input: redact(JSON.parse(job.input)),
    tags: job.tags ?? [],
    labels: job.labels ?? [],
    state: stateOf(record),
    description: describeSchedule(spec),
    rhythm: viewRhythm(spec.rhythm),
    start: isoOrNull(spec.startMs),
    end: isoOrNull(spec.endMs),
    jitterMs: spec.jitterMs,
    missed: spec.missed,
    overlap: spec.overlap,
    paused: paused === null ? null : { by: paused.by, reason: paused.reason, at: iso(paused.atMs) },
    next: next === null ? null : { dueAt: iso(next.dueAtMs), fireAt: iso(next.fireAtMs) },
    last:
      last === null
        ? null
        : { dueAt: iso(last.dueAtMs), firedAt: iso(last.firedAtMs), jobId: last.jobId },
    enqueuedTicks: record.enqueued,
    skippedTicks: record.skipped,
    missedTicks: record.missed,
    createdAt: iso(record.createdAtMs),
    changedAt: iso(record.changedAtMs),
  };
}

function stateOf({ paused, next }: ScheduleRecord): ScheduleView["state"] {
  if (paused !== null) return "paused";
  return next === null ? "over" : "active";
}

/** A rhythm as it could be said again. */
function viewRhythm(rhythm: Rhythm): ScheduleView["rhythm"] {
  switch (rhythm.kind) {
    case "cron": {
      const { skippedHour, repeatedHour } = rhythm;
      return {
        cron: rhythm.expression,
        timeZone: rhythm.timeZone,
        daylightSaving: { skippedHour, repeatedHour },
      };
    }
    case "every":
      return { every: rhythm.everyMs };
    case "dates":
      return { dates: rhythm.datesMs.map(iso) };
  }
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

function isoOrNull(atMs: number | null): string | null {
  return atMs === null ? null : iso(atMs);
}
