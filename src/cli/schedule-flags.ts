// The options by which a schedule is said on the command line.
import { type Command, InvalidArgumentError, Option } from "commander";
import type {
  MissedTicks,
  Overlap,
  RepeatedHour,
  RhythmOptions,
  ScheduledJobOptions,
  SkippedHour,
} from "../core/index.ts";
import type { SchedulePut } from "../runtime/index.ts";
import { readDuration } from "./option-values.ts";
import { type TermsFlags, readTerms } from "./terms-flags.ts";

/** When it fires. */
export interface RhythmFlags {
  readonly cron?: string;
  readonly every?: string;
  readonly date?: readonly string[];
  readonly timeZone?: string;
  readonly skippedHour?: SkippedHour;
  readonly repeatedHour?: RepeatedHour;
  readonly start?: string;
  readonly end?: string;
  readonly jitter?: string;
  readonly missed?: MissedTicks;
  readonly overlap?: Overlap;
}

/** When it fires, and the job of every tick. */
export interface ScheduleFlags extends RhythmFlags, TermsFlags {
  readonly type: string;
  readonly priority?: number;
  readonly expiresIn?: string;
  readonly jobQueue?: string;
  readonly tag?: readonly string[];
  readonly label?: readonly string[];
}

/** Adds the options of {@link RhythmFlags}. */
export function withRhythmOptions(command: Command): Command {
  return command
    .option("--cron <expression>", "five fields, or six with the seconds first")
    .option("--every <duration>", "a fixed interval of whole seconds", readDuration)
    .option("--date <time...>", "these times (ISO 8601) and no others")
    .option("--time-zone <name>", 'IANA zone whose clock the cron follows ("UTC")')
    .addOption(
      new Option("--skipped-hour <rule>", "a local time that a clock change skips").choices([
        "run-after",
        "skip",
      ]),
    )
    .addOption(
      new Option("--repeated-hour <rule>", "a local time that comes twice").choices([
        "first",
        "second",
        "both",
      ]),
    )
    .option("--start <time>", "no tick before (ISO 8601)")
    .option("--end <time>", "no tick at or after (ISO 8601)")
    .option("--jitter <duration>", "put ticks off by up to this long", readDuration)
    .option("--missed <rule>", 'ticks of a downtime: "skip", "once" or a number', readMissed)
    .addOption(
      new Option("--overlap <rule>", "when the one before has not ended").choices([
        "allow",
        "skip",
        "cancel",
      ]),
    );
}

function readMissed(text: string): MissedTicks {
  if (text === "skip" || text === "once") return text;
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected "skip", "once" or a number.');
  return { all: Number(text) };
}

/** The rhythm that was said. */
export function readRhythm(flags: RhythmFlags): RhythmOptions {
  const { cron, every, date, timeZone, start, end, jitter, missed, overlap } = flags;
  const { skippedHour, repeatedHour } = flags;
  const daylightSaving = {
    ...(skippedHour === undefined ? {} : { skippedHour }),
    ...(repeatedHour === undefined ? {} : { repeatedHour }),
  };
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(every === undefined ? {} : { every }),
    ...(date === undefined ? {} : { dates: date }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(Object.keys(daylightSaving).length === 0 ? {} : { daylightSaving }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(missed === undefined ? {} : { missed }),
    ...(overlap === undefined ? {} : { overlap }),
  };
}

/** The schedule that was said. */
export function readPut(name: string, input: unknown, flags: ScheduleFlags): SchedulePut {
  const { type, priority, expiresIn, jobQueue, tag, label } = flags;
  const job: ScheduledJobOptions = {
    ...(priority === undefined ? {} : { priority }),
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(jobQueue === undefined ? {} : { queue: jobQueue }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(label === undefined ? {} : { labels: label }),
    ...readTerms(flags),
  };
  return {
    name,
    type,
    ...(input === undefined ? {} : { input }),
    ...(Object.keys(job).length === 0 ? {} : { job }),
    ...readRhythm(flags),
  };
}
