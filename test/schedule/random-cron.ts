// Fault row S3: random cron expressions, impossible ones included, each answered or refused in bounded steps.
import { isMillraceError } from "../../src/core/index.ts";
import { createTimetable, readSchedule } from "../../src/schedule/index.ts";

/** A random expression: about half are plain, the rest lean to rare and impossible days. */
export function randomCron(random: () => number): string {
  const whole = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
  const pick = (choices: readonly string[]): string => choices[whole(0, choices.length - 1)] ?? "*";
  const field = (from: number, to: number): string => {
    const kind = random();
    if (kind < 0.35) return "*";
    if (kind < 0.5) return `*/${whole(1, to - from)}`;
    if (kind < 0.65) {
      const low = whole(from, to);
      return `${low}-${whole(low, to)}`;
    }
    return Array.from({ length: whole(1, 3) }, () => whole(from, to)).join(",");
  };
  const isRare = random() < 0.5;
  const day = isRare
    ? pick(["29", "30", "31", "30,31", "29-31", "L", "LW", "31W", "29W", "1W", "28"])
    : field(1, 31);
  const month = isRare
    ? pick(["2", "2,4", "4,6,9,11", "FEB", "2-2", "APR,JUN", "*"])
    : field(1, 12);
  const weekday = isRare
    ? pick(["*", "+MON", "+0", "+FRI#5", "+SUN#1", "+TUE#L", "5#5", "+1-5", "+*"])
    : field(0, 6);
  const seconds = random() < 0.3 ? `${field(0, 59)} ` : "";
  return `${seconds}${field(0, 59)} ${field(0, 23)} ${day} ${month} ${weekday}`;
}

export interface CronAnswer {
  readonly expression: string;
  /** `null`: refused, or no tick. */
  readonly nextMs: number | null;
  readonly isRefused: boolean;
  readonly steps: number;
  readonly tookMs: number;
}

/** Reads an expression and searches for its first tick. Errors other than a refusal are thrown. */
export function answerCron(expression: string, zone: string, afterMs: number): CronAnswer {
  const startedMs = performance.now();
  try {
    const timetable = createTimetable(readSchedule("s3", { cron: expression, timeZone: zone }));
    const { due, steps } = timetable.search(afterMs);
    const tookMs = performance.now() - startedMs;
    return { expression, nextMs: due?.atMs ?? null, isRefused: false, steps, tookMs };
  } catch (thrown) {
    if (!isMillraceError(thrown, "INVALID_SCHEDULE")) throw thrown;
    const tookMs = performance.now() - startedMs;
    return { expression, nextMs: null, isRefused: true, steps: 0, tookMs };
  }
}
