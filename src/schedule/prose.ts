// Says in words when a schedule fires.
import cronstrue from "cronstrue";
import { type Rhythm, type ScheduleSpec, formatDuration } from "../core/index.ts";

/**
 * A schedule in a sentence, without a full stop.
 *
 * @example describeSchedule(spec) === "At 09:00, Monday through Friday (Europe/Berlin)"
 */
export function describeSchedule(spec: ScheduleSpec): string {
  const parts = [describeRhythm(spec.rhythm)];
  if (spec.startMs !== null) parts.push(`from ${new Date(spec.startMs).toISOString()}`);
  if (spec.endMs !== null) parts.push(`until ${new Date(spec.endMs).toISOString()}`);
  if (spec.jitterMs > 0) parts.push(`put off by up to ${formatDuration(spec.jitterMs)}`);
  return parts.join(", ");
}

function describeRhythm(rhythm: Rhythm): string {
  switch (rhythm.kind) {
    case "cron":
      return `${describeCron(rhythm.expression)} (${rhythm.timeZone})`;
    case "every":
      return `Every ${formatDuration(rhythm.everyMs)}`;
    case "dates": {
      const [first = 0] = rhythm.datesMs;
      const last = rhythm.datesMs.at(-1) ?? first;
      if (rhythm.datesMs.length === 1) return `Once, at ${new Date(first).toISOString()}`;
      return `${rhythm.datesMs.length} times from ${new Date(first).toISOString()} to ${new Date(last).toISOString()}`;
    }
  }
}

function describeCron(expression: string): string {
  try {
    // cronstrue has an option for `+`, and the other spelling of the last weekday of a month.
    return cronstrue.toString(expression.replace("+", "").replaceAll(/#L/gi, "L"), {
      use24HourTimeFormat: true,
      logicalAndDayFields: expression.includes("+"),
    });
  } catch {
    // What the search understands and the prose does not is shown as it was written.
    return expression;
  }
}
