// `millrace jobs` and `millrace job ID`: look at jobs.
import { type Command, InvalidArgumentError } from "commander";
import { type ErrorRecord, MAX_PAGE, MillraceError, messageWithCauses } from "../../core/index.ts";
import type { JobView, Operations } from "../../runtime/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { findJobs, printFound } from "../find-jobs.ts";
import { type SelectionOptions, selectionOf, withSelectionOptions } from "../selection.ts";
import { brief, clean, paint, paintState, print, printJson, relativeTime } from "../output.ts";
import { warnOfNothing } from "../unknown-queue.ts";
import { readJobId } from "../option-values.ts";

interface JobsOptions extends ConnectionOptions, SelectionOptions {
  readonly limit: number;
  readonly cursor?: string;
}

/** Rows in a list, unless asked otherwise: a screenful. */
export const DEFAULT_LIMIT = 20;

/** Registers `jobs`. */
export function registerJobs(program: Command): void {
  const command = program
    .command("jobs")
    .description("list jobs, newest first")
    .option("--limit <number>", "most jobs shown", readLimit, DEFAULT_LIMIT)
    .option("--cursor <cursor>", "go on where a list ended")
    .addHelpText(
      "after",
      "\nExamples:\n  $ millrace jobs --state failed,cancelled\n  $ millrace jobs --type mail --field customer=acme --since 2h --json",
    );
  withConnectionOptions(withSelectionOptions(command)).action(async (options: JobsOptions) => {
    await using connection = await connect(options);
    const { limit, cursor } = options;
    const selection = selectionOf(options);
    const page = await findJobs(connection.operations, {
      ...selection,
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    });
    if (options.json === true) return printJson(page);
    printFound(page, limit);
    if (page.jobs.length === 0) await warnOfNothing(connection.operations, selection);
    if (page.cursor !== undefined) print("", `more: --cursor ${page.cursor}`);
  });
}

/** Registers `job`. */
export function registerJob(program: Command): void {
  const command = program
    .command("job")
    .description("show a job, or follow it to its end")
    .argument("<id>", "the job's id", readJobId)
    .option("--follow", "show progress and log lines until the end")
    .option("--logs", "show the lines that it logged")
    .addHelpText(
      "after",
      "\nExamples:\n  $ millrace job 0199d3c0-... --follow\n  $ millrace job 0199d3c0-... --json | jq .result",
    );
  withConnectionOptions(command).action(
    async (id: string, options: ConnectionOptions & { follow?: boolean; logs?: boolean }) => {
      await using connection = await connect(options);
      const { operations } = connection;
      const isJson = options.json === true;
      if (options.follow === true) {
        const { followJob } = await import("../follow.ts");
        process.exitCode = await followJob(operations, id, { isJson });
        return;
      }
      const job = await operations.job(id);
      if (job === null) {
        throw new MillraceError("JOB_NOT_FOUND", { message: `no job ${id} is kept` });
      }
      // Awaited here: the connection ends with this function.
      if (options.logs === true) return await showLogs(operations, id, isJson);
      if (isJson) return printJson(job);
      print(...describeJob(job, Date.now()));
    },
  );
}

async function showLogs(operations: Operations, id: string, isJson: boolean): Promise<void> {
  const lines = await operations.logs(id);
  if (isJson) return printJson(lines);
  if (lines.length === 0) console.error("no log line of it is kept");
  for (const { atMs, level, message } of lines) {
    print(`${new Date(atMs).toISOString()} ${level.padEnd(5)} ${clean(message)}`);
  }
}

/** A page's size, from an option. */
export function readLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,5}$/.test(text) || limit < 1 || limit > MAX_PAGE) {
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_PAGE}.`);
  }
  return limit;
}

/** An error and what led to it, a row each. */
function describeError(error: ErrorRecord | null): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  for (let each = error ?? undefined; each !== undefined; each = each.cause) {
    const label = rows.length === 0 ? "error" : "caused by";
    rows.push([label, clean(`${each.name}: ${each.message}`)]);
  }
  return rows;
}

function describeJob(job: JobView, nowMs: number): readonly string[] {
  const when = (iso: string | null): string =>
    iso === null ? "" : `${iso} (${relativeTime(iso, nowMs)})`;
  const rows: readonly (readonly [string, string])[] = [
    ["id", job.id],
    ["type", clean(job.type)],
    ["queue", clean(job.queue)],
    ["state", paintState(job.state)],
    ["attempt", String(job.attempt)],
    ["crashes", job.crashes === 0 ? "" : String(job.crashes)],
    ["worker", clean(job.worker ?? "")],
    ["tags", clean(job.tags.join(", "))],
    ["labels", clean(job.labels.join(", "))],
    ["key", clean(job.idempotencyKey ?? "")],
    ["retry", job.retry === null ? "" : brief(job.retry, 500)],
    ["timeout", job.timeout === null ? "" : String(job.timeout)],
    ["enqueued", when(job.enqueuedAt)],
    ["due", job.dueAt === job.enqueuedAt ? "" : when(job.dueAt)],
    ["expires", when(job.expiresAt)],
    ["started", when(job.startedAt)],
    ["finished", when(job.finishedAt)],
    ["removed after", when(job.removedAfter)],
    ["cancel asked", job.cancelRequested === null ? "" : clean(job.cancelRequested.reason)],
    ["input", brief(job.input, 2_000)],
    ["progress", brief(job.progress, 2_000)],
    ["result", brief(job.result, 2_000)],
    ...describeError(job.error),
    ["fingerprint", job.errorFingerprint ?? ""],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    ...rows
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `${paint("bold", name.padEnd(width))}  ${value}`),
    ...job.attempts.map(
      (attempt) =>
        `${paint("bold", "attempt".padEnd(width))}  ${attempt.attempt} ${attempt.outcome} ${relativeTime(attempt.endedAt, nowMs)} on ${clean(attempt.worker)}${attempt.error === null ? "" : `: ${brief(messageWithCauses(attempt.error), 200)}`}`,
    ),
  ];
}
