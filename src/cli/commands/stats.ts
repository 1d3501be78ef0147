// `millrace stats`: what jobs came to, by type and by the minute or the hour.
import { type Command, Option } from "commander";
import { RESOLUTIONS, type Resolution } from "../../core/index.ts";
import type { FigureView } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { clean, print, printJson, table } from "../output.ts";
import { readDuration } from "../option-values.ts";

interface StatsOptions extends ConnectionOptions {
  readonly by: Resolution;
  readonly since?: string;
  readonly type?: string;
}

/** Registers `stats`. */
export function registerStats(program: Command): void {
  const command = program
    .command("stats")
    .description("show what jobs came to, by type and time, with their waits and run times")
    .addOption(
      new Option("--by <width>", "width of a window").choices(RESOLUTIONS).default("minute"),
    )
    .option(
      "--since <duration>",
      "how far back; an hour of minutes, a day of hours by default",
      readDuration,
    )
    .option("--type <name>", "one job type")
    .addHelpText(
      "after",
      `
Minutes are kept for a day, hours for a month. A minute shows up when it is over.
Times are quantiles within 5%: how long jobs waited from when they were due, and how long they ran.

Examples:
  $ millrace stats
  $ millrace stats --by hour --since 7d --type send-receipt`,
    );
  withConnectionOptions(command).action(async ({ by, since, type, ...options }: StatsOptions) => {
    await using connection = await connect(options);
    const figures = await connection.operations.figures({
      resolution: by,
      ...(since === undefined ? {} : { since }),
      ...(type === undefined ? {} : { type }),
    });
    if (options.json === true) return printJson(figures);
    print(
      ...(figures.length === 0
        ? ["no figures: a minute shows up when it is over"]
        : table(HEAD, figures.map(toRow))),
    );
  });
}

const HEAD = [
  "START",
  "TYPE",
  "SUCCEEDED",
  "FAILED",
  "RETRIED",
  "CANCELLED",
  "WAIT P50",
  "P99",
  "RUN P50",
  "P99",
];

function toRow({ start, type, outcomes, waitMs, runMs }: FigureView): readonly (string | number)[] {
  return [
    start.slice(0, 16).replace("T", " "),
    clean(type),
    outcomes["succeeded"] ?? 0,
    outcomes["failed"] ?? 0,
    outcomes["retried"] ?? 0,
    outcomes["cancelled"] ?? 0,
    `${waitMs.p50}ms`,
    `${waitMs.p99}ms`,
    `${runMs.p50}ms`,
    `${runMs.p99}ms`,
  ];
}
