// Following a workflow run: its tree and timeline drawn again and again, JSON lines for programs, until it ends.
import { setTimeout as sleep } from "node:timers/promises";
import { type JobId, MillraceError, isTerminal } from "../core/index.ts";
import type { Operations, RunView } from "../runtime/index.ts";
import { WORKFLOW_LAUNCHER } from "../workflow/index.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { interruptible } from "./interrupt.ts";
import { LiveBlock } from "./live-block.ts";
import { print, printJsonLine } from "./output.ts";
import { drawRun } from "./run-view.ts";

/** A drawing every so often; of a run that takes long to read, less often. */
const REFRESH_MS = 250;
const MOST_OF_THE_TIME = 4;
/** Runs within runs that are drawn with it. */
const MAX_CHILDREN = 20;
const MAX_DEPTH = 4;
/** Width where there is no terminal. */
const DEFAULT_WIDTH = 120;

/**
 * Follows a run to its end.
 *
 * @returns the exit code: 0 if it succeeded, that of a failed job if not, that of an interruption after Ctrl-C
 * @throws MillraceError `JOB_NOT_FOUND`, `WRONG_STATE` for a job that is no run
 */
export async function followRun(
  operations: Operations,
  id: JobId,
  { isJson }: { readonly isJson: boolean },
): Promise<number> {
  using interrupt = interruptible();
  const display = isJson ? jsonDisplay() : drawDisplay(operations);
  try {
    for (;;) {
      const from = performance.now();
      const run = await operations.runs.get(id);
      if (run === null) throw new MillraceError("JOB_NOT_FOUND", { details: { jobId: id } });
      await display.show(run);
      if (isTerminal(run.state)) {
        await display.end(run);
        return run.state === "succeeded" ? EXIT_CODES.ok : EXIT_CODES.jobFailed;
      }
      const pauseMs = Math.max(REFRESH_MS, (performance.now() - from) * MOST_OF_THE_TIME);
      await sleep(pauseMs, undefined, { signal: interrupt.signal });
    }
  } catch (thrown) {
    if (!interrupt.signal.aborted) throw thrown;
    if (!isJson) print(`still going: millrace run ${id} --follow`);
    return EXIT_CODES.interrupted;
  }
}

/** The lines that show a run, those of the runs that are its steps among them. */
export async function drawWithChildren(
  operations: Operations,
  run: RunView,
): Promise<readonly string[]> {
  const types = await operations.types();
  const workflows = new Set(
    types.filter(({ launcher }) => launcher === WORKFLOW_LAUNCHER).map(({ name }) => name),
  );
  const children = new Map<string, RunView>();
  let level: readonly RunView[] = [run];
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth += 1) {
    const ids = level
      .flatMap(({ steps }) => steps)
      .flatMap(({ type, jobId }) =>
        type !== null && jobId !== null && workflows.has(type) ? [jobId] : [],
      )
      .slice(0, MAX_CHILDREN - children.size);
    const found = await Promise.all(ids.map((id) => childRun(operations, id)));
    level = found.filter((child) => child !== null);
    for (const child of level) children.set(child.id, child);
  }
  const width = process.stdout.isTTY ? process.stdout.columns : DEFAULT_WIDTH;
  return drawRun(run, { width, nowMs: Date.now(), children }).flatMap((line) => line.split("\n"));
}

/** A run that is a step; `null` where it is no longer kept, or has not begun. */
async function childRun({ runs }: Operations, id: JobId): Promise<RunView | null> {
  try {
    return await runs.get(id);
  } catch (thrown) {
    if (thrown instanceof MillraceError && thrown.code === "WRONG_STATE") return null;
    throw thrown;
  }
}

interface Display {
  show(run: RunView): void | Promise<void>;
  end(run: RunView): void | Promise<void>;
}

/** One line for each view that differs from the one before. */
function jsonDisplay(): Display {
  let shown = "";
  return {
    show: (run) => {
      const text = JSON.stringify(run);
      if (text !== shown) printJsonLine(run);
      shown = text;
    },
    end: () => {},
  };
}

/** On a terminal drawn in place; elsewhere shown once, at the end. */
function drawDisplay(operations: Operations): Display {
  const block = new LiveBlock(process.stdout);
  return {
    show: async (run) => {
      if (!block.isTerminal) return;
      const lines = await drawWithChildren(operations, run);
      // What does not fit could not be taken away again; the newest steps are at the end.
      block.draw(
        lines.length < block.rows ? lines : [lines[0] ?? "", ...lines.slice(2 - block.rows)],
      );
    },
    end: async (run) => {
      block.end(false);
      print(...(await drawWithChildren(operations, run)));
    },
  };
}
