// Runs one measurement of one subject in a fresh process, so that none inherits another's heap, caches or garbage.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Figures, Settings } from "./suite.ts";

/** Which measurement, and with what. Crosses the process boundary as JSON. */
export interface Order {
  readonly suite: string;
  /** Position in the suite's list of measurements. */
  readonly measurement: number;
  readonly subject: string;
  readonly isQuick: boolean;
  readonly directory: string;
  readonly sharedDirectory: string;
  readonly settings: Settings;
}

/** What the child answers, once. */
export type Answer = { readonly figures: Figures } | { readonly failure: string };

/** Longest time of one measurement: a subject that hangs must not hang the run. */
const TIME_LIMIT_MS = { quick: 30_000, long: 600_000 };

/** The end of what a failed child printed: enough for a stack trace, without flooding the terminal. */
const OUTPUT_TAIL_CHARS = 4_000;

export async function measureInChild(order: Order, signal: AbortSignal): Promise<Figures> {
  const child = fork(new URL("./child.ts", import.meta.url), [JSON.stringify(order)], {
    execArgv: ["--conditions=millrace-source", "--expose-gc"],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // A group of its own: whatever the subject starts ends with it.
    detached: true,
  });
  const output = collectOutput(child);
  let answer: Answer | undefined;
  child.on("message", (message) => {
    answer = message as Answer;
  });
  const limitMs = order.isQuick ? TIME_LIMIT_MS.quick : TIME_LIMIT_MS.long;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const stop = (): void => killGroup(child);
  limit.addEventListener("abort", stop);
  if (limit.aborted) stop();
  // In the moment of its exit: what it started would keep its pipes open, and later its number may be another group's.
  child.once("exit", stop);
  try {
    await once(child, "close");
  } finally {
    limit.removeEventListener("abort", stop);
  }
  if (answer !== undefined && "figures" in answer) return answer.figures;
  const why = limit.aborted ? `ended after ${limitMs} ms or by a signal` : "ended without figures";
  throw new Error(`${answer?.failure ?? why}\n${output()}`.trimEnd());
}

function collectOutput(child: ChildProcess): () => string {
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      tail = (tail + text).slice(-OUTPUT_TAIL_CHARS);
    });
  }
  return () => tail;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nobody of the group is left, which is what was wanted.
  }
}
