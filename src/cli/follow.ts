// Following a job: its log lines and a progress bar on a terminal, JSON lines for programs, until it ends.
import { SingleBar, Presets } from "cli-progress";
import {
  type JobId,
  type JobLogLine,
  type JobState,
  MillraceError,
  isTerminal,
  messageWithCauses,
} from "../core/index.ts";
import type { EventView, JobView, Operations } from "../runtime/index.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { interruptible } from "./interrupt.ts";
import { brief, clean, paint, paintState, print, printJsonLine } from "./output.ts";

/** Lines shown of those that a job logged before it was followed. */
const MAX_EARLIER_LINES = 100;

/** How a job is followed. */
export interface FollowOptions {
  readonly isJson: boolean;
}

/** Shows what comes while a job runs. */
interface Display {
  event(event: EventView): void;
  gap(reason: string): void;
  job(job: JobView): void;
  end(job: JobView): void;
}

/**
 * Follows a job to its end.
 *
 * @returns the exit code: 0 if it succeeded, that of a failed job if not, that of an interruption after Ctrl-C
 * @throws MillraceError `JOB_NOT_FOUND`
 */
export async function followJob(
  operations: Operations,
  id: JobId,
  { isJson }: FollowOptions,
): Promise<number> {
  const display = isJson ? jsonDisplay() : process.stdout.isTTY ? barDisplay() : lineDisplay();
  using interrupt = interruptible();
  let early: EventView[] | undefined = [];
  const subscription = await operations.subscribe(
    { id },
    (event) => (early === undefined ? display.event(event) : void early.push(event)),
    (reason) => display.gap(reason),
  );
  try {
    const job = await operations.job(id);
    if (job === null) throw notKept(id);
    display.job(job);
    const lines = await operations.logs(id);
    for (const line of lines.slice(-MAX_EARLIER_LINES)) display.event(toEvent(job, line));
    // A line that came as an event while the kept ones were read may be among them.
    const shown = new Set(lines.map(({ message }) => message));
    for (const event of early) {
      if (event.kind !== "log" || !shown.has(event.message ?? "")) display.event(event);
    }
    early = undefined;
    if (isTerminal(job.state)) return finish(display, job);
    const ended = await operations.wait(id, { signal: interrupt.signal });
    if (ended === null) throw notKept(id);
    return finish(display, ended);
  } catch (thrown) {
    if (!interrupt.signal.aborted) throw thrown;
    // Not on standard output: a program may be reading JSON there.
    console.error(`\nstill going: millrace job ${id} --follow`);
    return EXIT_CODES.interrupted;
  } finally {
    await subscription[Symbol.asyncDispose]();
  }
}

function toEvent(job: JobView, { atMs, level, message }: JobLogLine): EventView {
  const { id, type, queue } = job;
  return { kind: "log", id, type, queue, at: new Date(atMs).toISOString(), level, message };
}

function notKept(id: JobId): MillraceError {
  return new MillraceError("JOB_NOT_FOUND", {
    message: `no job ${id} is kept: the id is wrong, or the job ended and its time was over`,
  });
}

function finish(display: Display, job: JobView): number {
  display.end(job);
  return exitCodeOfState(job.state);
}

function exitCodeOfState(state: JobState): number {
  return state === "succeeded" ? EXIT_CODES.ok : EXIT_CODES.jobFailed;
}

function jsonDisplay(): Display {
  return {
    event: (event) => printJsonLine({ event }),
    gap: (reason) => printJsonLine({ gap: { reason } }),
    job: (job) => printJsonLine({ job }),
    end: (job) => printJsonLine({ job }),
  };
}

/** What an event says, on a line. */
function describeEvent(event: EventView): string | null {
  const at = event.at.slice(11, 19);
  switch (event.kind) {
    case "log":
      return `${at} ${(event.level ?? "info").padEnd(5)} ${clean(event.message ?? "")}`;
    case "started":
      return `${at} started, attempt ${event.attempt ?? 1}, on ${clean(event.worker ?? "")}`;
    case "retrying":
      return `${at} attempt failed: ${clean(event.error === undefined ? "" : messageWithCauses(event.error))}; again in ${event.delayMs ?? 0} ms`;
    case "snoozed":
    case "readied":
      return `${at} ${event.kind}`;
    default:
      return null;
  }
}

function describeEnd(job: JobView): string {
  const detail =
    job.state === "succeeded"
      ? brief(job.result, 2_000)
      : clean(job.error === null ? "" : messageWithCauses(job.error));
  return `${paintState(job.state)}${detail === "" ? "" : `: ${detail}`}`;
}

function lineDisplay(): Display {
  return {
    event: (event) => {
      const line = describeEvent(event) ?? (event.kind === "progress" ? progressLine(event) : null);
      if (line !== null) print(line);
    },
    gap: (reason) => print(`(some events were lost: ${clean(reason)})`),
    job: (job) => print(`${clean(job.type)} ${job.id} ${job.state}`),
    end: (job) => print(describeEnd(job)),
  };
}

function progressLine(event: EventView): string {
  return `${event.at.slice(11, 19)} progress ${brief(event.progress, 200)}`;
}

/** How much is done, of what handlers commonly tell: a number from 0 to 1, or done and total. */
export function readProgress(progress: unknown): {
  readonly share: number | null;
  readonly text: string;
} {
  if (typeof progress === "number") return { share: clampShare(progress), text: "" };
  if (typeof progress !== "object" || progress === null) {
    return { share: null, text: brief(progress, 60) };
  }
  const fields = progress as Readonly<Record<string, unknown>>;
  const { done, total, ...rest } = fields;
  const text = brief(Object.values(rest).find((value) => typeof value === "string") ?? "", 60);
  if (typeof done === "number" && typeof total === "number" && total > 0) {
    return { share: clampShare(done / total), text: `${done}/${total} ${text}`.trim() };
  }
  return { share: null, text: brief(progress, 60) };
}

function clampShare(share: number): number {
  return Math.min(1, Math.max(0, Number.isNaN(share) ? 0 : share));
}

function barDisplay(): Display {
  const bar = new SingleBar(
    {
      format: "{bar} {percentage}% {text}",
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      barsize: 30,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  let isShown = false;
  const update = (progress: unknown): void => {
    const { share, text } = readProgress(progress);
    if (!isShown) {
      bar.start(1, 0, { text });
      isShown = true;
    }
    bar.update(share ?? 0, { text });
  };
  const hide = (): void => {
    if (isShown) bar.stop();
    isShown = false;
  };
  return {
    event: (event) => {
      if (event.kind === "progress") return update(event.progress);
      const line = describeEvent(event);
      if (line === null) return;
      hide();
      print(paint("dim", line));
    },
    gap: (reason) => {
      hide();
      print(paint("dim", `(some events were lost: ${clean(reason)})`));
    },
    job: (job) => {
      print(`${paint("bold", clean(job.type))} ${job.id} ${paintState(job.state)}`);
      if (job.progress !== null && !isTerminal(job.state)) update(job.progress);
    },
    end: (job) => {
      hide();
      print(describeEnd(job));
    },
  };
}
