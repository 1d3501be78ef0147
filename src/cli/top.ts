// The live view: what is read for a frame, how it looks, and the screen that it is drawn on.
import { emitKeypressEvents } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration } from "../core/index.ts";
import type { QueueRecord, WorkerRecord } from "../core/index.ts";
import type { EventView, Operations } from "../runtime/index.ts";
import type { Connection } from "./connection.ts";
import { interruptible } from "./interrupt.ts";
import { clean, cutTo, paint, table } from "./output.ts";

/** Over how long rates are averaged: short enough to see a change, long enough not to flicker. */
const RATE_WINDOW_MS = 10_000;

/** What happened to a queue's jobs, as times of the events. */
export interface QueueActivity {
  readonly succeeded: number[];
  readonly failed: number[];
}

/** Rates of one queue, in jobs a second. */
interface QueueRates {
  readonly succeeded: number;
  readonly failed: number;
}

/** What one frame shows. */
export interface Frame {
  readonly queues: readonly (QueueRecord & { readonly perSecond: QueueRates })[];
  readonly workers: readonly WorkerRecord[];
  readonly nowMs: number;
}

/** Most events remembered for the rates of one queue and outcome: 10 s of 10,000 a second. */
const MAX_REMEMBERED = 100_000;

/** Notes an event for the rates. */
export function noteEvent(
  activity: Map<string, QueueActivity>,
  event: Pick<EventView, "kind" | "queue">,
  nowMs: number,
): void {
  if (event.kind !== "succeeded" && event.kind !== "failed") return;
  let queue = activity.get(event.queue);
  if (queue === undefined) {
    queue = { succeeded: [], failed: [] };
    activity.set(event.queue, queue);
  }
  if (queue[event.kind].length < MAX_REMEMBERED) queue[event.kind].push(nowMs);
}

/** Jobs a second within the window; what is older is forgotten. */
function rateOf(times: number[], nowMs: number): number {
  const first = times.findIndex((time) => time > nowMs - RATE_WINDOW_MS);
  times.splice(0, first === -1 ? times.length : first);
  return times.length / (RATE_WINDOW_MS / 1_000);
}

/** Reads what a frame shows. */
export async function readFrame(
  operations: Operations,
  activity: Map<string, QueueActivity>,
): Promise<Frame> {
  const [queues, workers] = await Promise.all([operations.queues(), operations.workers()]);
  const nowMs = Date.now();
  return {
    nowMs,
    workers,
    queues: queues.map((queue) => {
      const seen = activity.get(queue.name);
      return {
        ...queue,
        perSecond: {
          succeeded: seen === undefined ? 0 : rateOf(seen.succeeded, nowMs),
          failed: seen === undefined ? 0 : rateOf(seen.failed, nowMs),
        },
      };
    }),
  };
}

/** Draws a frame as lines that fit the screen. */
export function renderFrame(
  { queues, workers, nowMs }: Frame,
  where: string,
  screen: { readonly columns: number; readonly rows: number },
): readonly string[] {
  const time = new Date(nowMs).toISOString().slice(11, 19);
  const total = (state: "ready" | "running" | "scheduled"): number =>
    queues.reduce((sum, { counts }) => sum + counts[state], 0);
  const head = [
    `${paint("bold", "millrace")} ${clean(where)}  ${time}`,
    `${total("ready")} ready  ${total("running")} running  ${total("scheduled")} scheduled  ${workers.length} ${workers.length === 1 ? "worker" : "workers"}`,
    "",
  ];
  // Of what is left, queues get the larger part; each table has a head and a blank line after it.
  const room = Math.max(2, screen.rows - head.length - 4);
  const queueRows = Math.min(queues.length, Math.max(room - workers.length, Math.ceil(room * 0.7)));
  const busiest = [...queues].sort(
    (left, right) =>
      right.counts.running + right.counts.ready - (left.counts.running + left.counts.ready),
  );
  return [
    ...head,
    ...queueTable(busiest.slice(0, queueRows)),
    "",
    ...workerTable(workers.slice(0, Math.max(1, room - queueRows)), nowMs),
  ].slice(0, screen.rows);
}

function queueTable(queues: Frame["queues"]): readonly string[] {
  return table(
    ["QUEUE", "READY", "RUNNING", "SCHEDULED", "SUCCEEDED", "FAILED", "DONE/s", "FAILED/s", ""],
    queues.map(({ name, counts, perSecond, paused }) => [
      clean(name),
      counts.ready,
      counts.running,
      counts.scheduled,
      counts.succeeded,
      counts.failed,
      perSecond.succeeded.toFixed(1).padStart("DONE/s".length),
      perSecond.failed.toFixed(1).padStart("FAILED/s".length),
      paused === null ? "" : paint("yellow", "paused"),
    ]),
  );
}

function workerTable(workers: readonly WorkerRecord[], nowMs: number): readonly string[] {
  return table(
    ["WORKER", "HOST", "PID", "RUNNING", "OF", "UP"],
    workers.map((worker) => [
      clean(worker.id).slice(0, 36),
      clean(worker.host),
      worker.pid,
      worker.running,
      worker.concurrency,
      formatDuration(Math.max(0, nowMs - worker.attachedAtMs)),
    ]),
  );
}

const ENTER_SCREEN = "\u001b[?1049h\u001b[?25l";
const LEAVE_SCREEN = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_REST_OF_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

function leaveScreen(): void {
  process.stdout.write(LEAVE_SCREEN);
}

/** Draws frames until q, Ctrl-C or SIGTERM. The screen is left as it was. */
export async function watch({ operations, where }: Connection, intervalMs: number): Promise<void> {
  const activity = new Map<string, QueueActivity>();
  const following = await operations.subscribe({}, (event) => {
    noteEvent(activity, event, Date.now());
  });
  const stop = new AbortController();
  const keys = listenForKeys(() => stop.abort());
  using interrupt = interruptible();
  interrupt.signal.addEventListener("abort", () => stop.abort());
  const stopped = new Promise<undefined>((resolve) => {
    stop.signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  // A second signal ends the process where it is.
  process.once("exit", leaveScreen);
  process.stdout.write(ENTER_SCREEN);
  try {
    while (!stop.signal.aborted) {
      // A store or service that does not answer must not hold up who wants to go.
      const lines = await Promise.race([drawable(operations, activity, where), stopped]);
      if (lines !== undefined) draw(lines);
      await sleep(intervalMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    process.off("exit", leaveScreen);
    leaveScreen();
    keys.stop();
    await following[Symbol.asyncDispose]();
  }
}

/** A store or service that is away for a while ends nothing: the view says so and looks again. */
async function drawable(
  operations: Operations,
  activity: Map<string, QueueActivity>,
  where: string,
): Promise<readonly string[]> {
  const screen = { columns: screenColumns(), rows: (process.stdout.rows || 24) - 1 };
  try {
    return [
      ...renderFrame(await readFrame(operations, activity), where, screen),
      paint("dim", "q ends"),
    ];
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return [`${paint("bold", "millrace")} ${clean(where)}`, "", paint("red", clean(message))];
  }
}

/** Redraws in place: no clearing first, so that nothing flickers. */
function draw(lines: readonly string[]): void {
  const columns = screenColumns();
  const text = lines.map((line) => cutTo(line, columns) + CLEAR_REST_OF_LINE).join("\r\n");
  process.stdout.write(HOME + text + CLEAR_BELOW);
}

/** A terminal that does not know its size says 0. */
function screenColumns(): number {
  return process.stdout.columns || 80;
}

function listenForKeys(onEnd: () => void): { readonly stop: () => void } {
  const { stdin } = process;
  if (!stdin.isTTY) return { stop: () => {} };
  const onKey = (_: unknown, key: { readonly name?: string; readonly ctrl?: boolean }): void => {
    if (key.name === "q" || key.name === "escape" || (key.ctrl === true && key.name === "c")) {
      onEnd();
    }
  };
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.on("keypress", onKey);
  stdin.resume();
  return {
    stop: () => {
      stdin.off("keypress", onKey);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
}
