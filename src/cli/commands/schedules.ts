// `millrace schedules` and `millrace schedule ...`: what fires when, put, paused, run and previewed.
import type { Command } from "commander";
import { MillraceError, type TickPreview } from "../../core/index.ts";
import type {
  Operations,
  ScheduleListQuery,
  ScheduleOperations,
  ScheduleView,
} from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { readInput } from "../input.ts";
import {
  readCount,
  readDuration,
  readName,
  readPriorityNumber,
  readTag,
} from "../option-values.ts";
import { brief, clean, paint, print, printJson, relativeTime, table } from "../output.ts";
import {
  type RhythmFlags,
  type ScheduleFlags,
  readPut,
  readRhythm,
  withRhythmOptions,
} from "../schedule-flags.ts";
import { withTermsOptions } from "../terms-flags.ts";
import { whoami } from "../whoami.ts";

/** Widest description in a table: the rest is in `schedule show`. */
const MAX_DESCRIPTION = 60;
const DEFAULT_TICKS = 10;

/** Registers `schedules`. */
export function registerSchedules(program: Command): void {
  const command = program
    .command("schedules")
    .description("list the schedules, with their next tick")
    .option("--type <name>", "only those of this job type")
    .option("--queue <name>", "only those of this queue")
    .option("--limit <number>", "most to list (50)", readCount)
    .option("--cursor <cursor>", "from the page before")
    .addHelpText("after", "\nExample:\n  $ millrace schedules --type daily-report");
  withConnectionOptions(command).action(async (options: ConnectionOptions & ScheduleListQuery) => {
    await using connection = await connect(options);
    const page = await connection.operations.schedules.list(pickQuery(options));
    if (options.json === true) return printJson(page);
    print(...tableOf(page.schedules));
    if (page.cursor !== undefined) print(`more: --cursor ${page.cursor}`);
  });
}

/** Registers `schedule` with what can be done to one. */
export function registerSchedule(program: Command): void {
  const schedule = program
    .command("schedule")
    .description("show, put, pause, resume, run, preview or remove a schedule");
  registerPut(schedule);
  registerPreview(schedule);
  one(schedule, "show", "show a schedule", (schedules, name) => known(schedules, name));
  one(schedule, "resume", "go on with the next tick from now", (schedules, name) =>
    schedules.resume(name),
  );
  one(schedule, "pause", "fire nothing until it is resumed", (schedules, name, { reason }) =>
    schedules.pause(name, { by: whoami(), ...(reason === undefined ? {} : { reason }) }),
  ).option("--reason <text>", "why, for whoever looks later");
  registerRun(schedule);
  registerRemove(schedule);
}

interface OneOptions extends ConnectionOptions {
  readonly reason?: string;
}

/** A command on one schedule that shows it afterwards. */
function one(
  schedule: Command,
  name: string,
  description: string,
  act: (schedules: ScheduleOperations, name: string, options: OneOptions) => Promise<ScheduleView>,
): Command {
  const command = schedule
    .command(name)
    .description(description)
    .argument("<name>", "the schedule's name")
    .addHelpText("after", `\nExample:\n  $ millrace schedule ${name} daily-report`);
  return withConnectionOptions(command).action(async (of: string, options: OneOptions) => {
    await using connection = await connect(options);
    tell(await act(connection.operations.schedules, of, options), options);
  });
}

function registerPut(schedule: Command): void {
  const rhythmic = withRhythmOptions(
    schedule
      .command("put")
      .description("keep a schedule, or change the one of its name")
      .argument("<name>", "the schedule's name")
      .argument("[input]", "what every tick's job gets, as JSON; - reads it from standard input")
      .requiredOption("--type <name>", "the job type's name"),
  );
  const command = withTermsOptions(rhythmic)
    .option("--priority <number>", "each step is a minute of head start", readPriorityNumber)
    .option("--expires-in <duration>", "not worth starting this long after it fired", readDuration)
    .option("--job-queue <name>", "a queue other than the type's", readName)
    .option("--tag <tag...>", "tags of every tick's job", readTag)
    .option("--label <label...>", "labels that a worker must offer", readTag)
    .addHelpText(
      "after",
      `
Examples:
  $ millrace schedule put daily-report --type report --cron "0 9 * * MON-FRI" --time-zone Europe/Berlin
  $ millrace schedule put poll '{"feed": "news"}' --type poll --every 5m --jitter 30s --overlap skip`,
    );
  withConnectionOptions(command).action(
    async (name: string, input: string | undefined, options: ConnectionOptions & ScheduleFlags) => {
      const wanted = readPut(name, await readInput(input), options);
      await using connection = await connect(options, { whereMissing: "create" });
      const kept = await connection.operations.schedules.put(wanted);
      tell(kept, options);
      if (kept.state === "over" && kept.last === null) {
        console.error(`${clean(name)} will never fire: none of its times is still to come`);
      }
    },
  );
}

interface PreviewFlags extends ConnectionOptions, RhythmFlags {
  readonly count?: number;
  readonly after?: string;
}

function registerPreview(schedule: Command): void {
  const command = withRhythmOptions(
    schedule
      .command("preview")
      .description("the next ticks of a schedule, or of a rhythm that nobody has put")
      .argument("[name]", "the schedule's name"),
  )
    .option("--count <number>", `ticks to show (${DEFAULT_TICKS})`, readCount)
    .option("--after <time>", "the first tick after this time (ISO 8601); now by default")
    .addHelpText(
      "after",
      `
Examples:
  $ millrace schedule preview daily-report
  $ millrace schedule preview --cron "30 2 * * *" --time-zone Europe/Berlin --after 2026-03-28T12:00:00Z`,
    );
  withConnectionOptions(command).action(async (name: string | undefined, options: PreviewFlags) => {
    const whereMissing = name === undefined ? "leave" : "refuse";
    await using connection = await connect(options, { whereMissing });
    const ticks = await connection.operations.schedules.preview(name ?? readRhythm(options), {
      count: options.count ?? DEFAULT_TICKS,
      ...(options.after === undefined ? {} : { after: options.after }),
    });
    if (options.json === true) return printJson(ticks);
    print(...(ticks.length === 0 ? ["no tick is left"] : ticksOf(ticks)));
  });
}

function registerRun(schedule: Command): void {
  const command = schedule
    .command("run")
    .description("enqueue a schedule's job now, beside its ticks")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  $ millrace schedule run daily-report");
  withConnectionOptions(command).action(async (name: string, options: ConnectionOptions) => {
    await using connection = await connect(options);
    const { id, type, state } = await connection.operations.schedules.run(name);
    if (options.json === true) printJson({ id, type, state });
    else print(id);
  });
}

function registerRemove(schedule: Command): void {
  const command = schedule
    .command("remove")
    .description("remove a schedule; the jobs of its ticks stay")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  $ millrace schedule remove daily-report");
  withConnectionOptions(command).action(async (name: string, options: ConnectionOptions) => {
    await using connection = await connect(options);
    if (!(await connection.operations.schedules.remove(name))) throw notFound(name);
    if (options.json === true) printJson({ name, removed: true });
    else print(`${clean(name)} removed`);
  });
}

async function known(schedules: Operations["schedules"], name: string): Promise<ScheduleView> {
  const view = await schedules.get(name);
  if (view === null) throw notFound(name);
  return view;
}

function notFound(name: string): MillraceError {
  return new MillraceError("SCHEDULE_NOT_FOUND", {
    message: `no schedule is named ${JSON.stringify(name)}`,
  });
}

function pickQuery({ type, queue, limit, cursor }: ScheduleListQuery): ScheduleListQuery {
  return {
    ...(type === undefined ? {} : { type }),
    ...(queue === undefined ? {} : { queue }),
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

function tableOf(schedules: readonly ScheduleView[]): readonly string[] {
  if (schedules.length === 0) return ["no schedules"];
  const nowMs = Date.now();
  return table(
    ["NAME", "TYPE", "STATE", "NEXT", "LAST", "TICKS", "WHEN"],
    schedules.map((schedule) => [
      clean(schedule.name),
      clean(schedule.type),
      paintState(schedule),
      schedule.paused === null ? relativeTime(schedule.next?.fireAt ?? null, nowMs) : "",
      relativeTime(schedule.last?.firedAt ?? null, nowMs),
      schedule.enqueuedTicks,
      brief(schedule.description, MAX_DESCRIPTION),
    ]),
  );
}

function paintState({ state }: ScheduleView): string {
  return paint(state === "active" ? "green" : state === "paused" ? "yellow" : "gray", state);
}

function tell(schedule: ScheduleView, { json }: ConnectionOptions): void {
  if (json === true) return printJson(schedule);
  const { paused, next, last } = schedule;
  print(
    `${paint("bold", clean(schedule.name))}  ${paintState(schedule)}`,
    `  when     ${clean(schedule.description)}`,
    `  job      ${clean(schedule.type)} in ${clean(schedule.queue)}  ${brief(schedule.input, MAX_DESCRIPTION)}`,
    `  rules    missed: ${typeof schedule.missed === "object" ? `all, up to ${schedule.missed.all}` : schedule.missed}, overlap: ${schedule.overlap}`,
    `  next     ${next === null ? "none" : paused === null ? next.fireAt : "none until it is resumed"}`,
    `  last     ${last === null ? "none" : `${last.firedAt}, job ${last.jobId}`}`,
    `  ticks    ${schedule.enqueuedTicks} enqueued, ${schedule.skippedTicks} skipped, ${schedule.missedTicks} missed`,
    ...(paused === null
      ? []
      : [
          `  paused   ${clean(`by ${paused.by} at ${paused.at}${paused.reason === "" ? "" : `: ${paused.reason}`}`)}`,
        ]),
  );
}

function ticksOf(ticks: readonly TickPreview[]): readonly string[] {
  return table(
    ["LOCAL", "UTC", ""],
    ticks.map((tick) => [tick.local, tick.dueAt, paint("yellow", notesOf(tick).join(", "))]),
  );
}

function notesOf({ clock, clockChangeMs }: TickPreview): readonly string[] {
  const minutes = Math.round(Math.abs(clockChangeMs) / 60_000);
  return [
    ...(clockChangeMs === 0
      ? []
      : [`the clock goes ${clockChangeMs > 0 ? "forward" : "back"} ${minutes} min before`]),
    ...(clock === "moved" ? ["its hour is skipped on this day"] : []),
    ...(clock === "repeated" ? ["its hour comes twice on this day"] : []),
  ];
}
