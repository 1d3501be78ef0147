// The general roll-up: events in, windows out.
import { checkOptions } from "../core/arguments.ts";
import { type Duration, parseDuration, parseTimeout } from "../core/duration.ts";
import { MillraceError } from "../core/errors.ts";
import { readRetryPolicy } from "../core/retry.ts";
import { type RollupClock, systemClock } from "./clock.ts";
import { HeldEvents, type UnattributedReason } from "./held-events.ts";
import { KeyedWindow, type KeyValue, type WindowShape } from "./keyed-window.ts";
import type { LookupTable } from "./lookup-table.ts";
import { DEFAULT_MAX_KEPT, Outbox } from "./outbox.ts";
import {
  DEFAULT_MAX_HELD,
  DEFAULT_MAX_WAIT_MS,
  ROLLUP_NAMES,
  readBound,
  readShape,
  readSinks,
  readWindow,
  type RollupNotice,
  type RollupOptions,
  type RollupSink,
  type RollupWindow,
} from "./rollup-options.ts";
import { type WindowSpan, WindowTimer } from "./window-timer.ts";

/** One delivery may take this long before it counts as failed. */
const DEFAULT_ATTEMPT_MS = 30_000;
/** How long `stop` waits for sinks. */
const DEFAULT_STOP_MS = 10_000;
const RETRY_BACKOFF = { kind: "exponential", base: 500, max: 60_000 } as const;

/** An event that waits: its key with holes, to be filled by `fields` that wait for a parent. */
interface WaitingEvent {
  readonly key: (KeyValue | undefined)[];
  readonly event: Readonly<Record<string, unknown>>;
}

/**
 * Counts events by key in windows and hands every ended window to the sinks.
 *
 * The window is swapped, never locked: ending one puts a new one in its place and delivery goes on
 * beside the counting. An event whose lookup is not known yet is held and counted in the window that is
 * open when it becomes known; what was known when it came stays as it was.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION` from the constructor
 * @example
 * const rollup = new Rollup({
 *   window: { size: "1m" },
 *   key: ["team", "status"],
 *   lookup: { team: teamOf },
 *   measures: { slowest: max("durationMs") },
 *   sinks: [{ name: "print", deliver: async (window) => console.log([...window.rows()]) }],
 * });
 * rollup.start();
 * rollup.add({ team: "checkout", status: 200, durationMs: 12 });
 * await rollup.stop();
 */
export class Rollup {
  readonly #shape: WindowShape;
  readonly #lookup: Readonly<Record<string, LookupTable>>;
  readonly #held: HeldEvents<WaitingEvent>;
  readonly #clock: RollupClock;
  readonly #timer: WindowTimer;
  readonly #paneCount: number;
  readonly #outboxes: ReadonlyMap<string, Outbox<RollupWindow>>;
  readonly #notify: (notice: RollupNotice) => void;
  readonly #unsubscribe: readonly (() => void)[];
  /** The last panes, the newest last; a tumbling window is one pane. */
  #panes: Pane[] = [];
  #open: Pane;
  #sequence = 0;
  /** Of the event that is being added. One for all: a list for each took 180 bytes of every event. */
  readonly #key: (KeyValue | undefined)[] = [];
  #stopping: Promise<void> | undefined;

  constructor(options: RollupOptions) {
    const { everyMs, paneCount } = readWindow(
      checkOptions(options, "options", ROLLUP_NAMES).window,
    );
    this.#shape = readShape(options);
    this.#lookup = options.lookup ?? {};
    this.#clock = options.clock ?? systemClock;
    this.#paneCount = paneCount;
    this.#open = createPane(this.#shape);
    this.#held = new HeldEvents({
      maxEvents: readBound("hold.maxEvents", options.hold?.maxEvents ?? DEFAULT_MAX_HELD),
      maxWaitMs: parseDuration(options.hold?.maxWait ?? DEFAULT_MAX_WAIT_MS, "hold.maxWait"),
      onUnattributed: (count, reason) => {
        this.#open.unattributed[reason] += count;
      },
    });
    this.#timer = new WindowTimer({
      rhythm: { everyMs, aligned: options.window.aligned ?? false },
      clock: this.#clock,
      onBoundary: (span) => this.#end(span),
    });
    this.#notify = options.notify ?? ((): void => {});
    this.#outboxes = new Map(
      readSinks(options).map((sink) => [sink.name, createOutbox(sink, options, this.#clock)]),
    );
    this.#unsubscribe = Object.entries(this.#lookup).map(([field, table]) =>
      table.onKnown((child) => this.#release(field, child)),
    );
  }

  /** Events that wait for a lookup. */
  get held(): number {
    return this.#held.size;
  }

  /** Milliseconds until the open window ends; undefined while stopped. */
  get remainingMs(): number | undefined {
    return this.#timer.remainingMs;
  }

  /** Opens the first window; events added before count in it. Safe to call twice; a stopped one stays stopped. */
  start(): void {
    if (this.#stopping === undefined) this.#timer.start();
  }

  /** Counts one event, or holds it while a lookup does not know it. Never throws; after `stop` it does nothing. */
  add(event: Readonly<Record<string, unknown>>): void {
    if (this.#stopping !== undefined) return;
    const key = this.#key;
    let missing: string[] | undefined;
    const { key: fields } = this.#shape;
    for (let at = 0; at < fields.length; at += 1) {
      const field = fields[at]!;
      const value = event[field];
      if (!isKeyValue(value)) {
        this.#open.incomplete += 1;
        return;
      }
      const table = this.#lookup[field];
      const found = table === undefined ? value : table.get(String(value));
      if (found === undefined) (missing ??= []).push(waitingKey(field, String(value)));
      key[at] = found;
    }
    if (missing !== undefined) {
      this.#held.hold({ key: [...key], event }, missing, this.#clock.monotonicMs());
    } else {
      this.#open.counts.add(key as KeyValue[], event);
    }
  }

  /**
   * Ends the open window, delivers what is there and gives up at the deadline (10 s by default).
   * Windows that could not be delivered are told as dropped. Safe to call twice or at once.
   */
  stop(options: { readonly deadline?: Duration } = {}): Promise<void> {
    this.#stopping ??= this.#stop(parseDuration(options.deadline ?? DEFAULT_STOP_MS, "deadline"));
    return this.#stopping;
  }

  async #stop(deadlineMs: number): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#held.clear();
    const span = this.#timer.stop();
    if (span !== undefined) this.#end(span);
    const stops = [...this.#outboxes].map(async ([sink, outbox]) => {
      for (const { sequence } of await outbox.stop(deadlineMs)) {
        this.#notify({ kind: "dropped", sink, sequence });
      }
    });
    await Promise.all(stops);
  }

  #release(field: string, child: string): void {
    const at = this.#shape.key.indexOf(field);
    const parent = this.#lookup[field]!.get(child);
    const nowMs = this.#clock.monotonicMs();
    const complete = this.#held.release(waitingKey(field, child), nowMs, (waiting) => {
      waiting.key[at] = parent;
    });
    for (const { key, event } of complete) this.#open.counts.add(key as KeyValue[], event);
  }

  #end(span: WindowSpan): void {
    this.#held.expire(this.#clock.monotonicMs());
    const ended = { ...this.#open, span };
    this.#open = createPane(this.#shape);
    this.#panes = [...this.#panes, ended].slice(-this.#paneCount);
    this.#sequence += 1;
    const window = toWindow(this.#panes, this.#shape, this.#sequence);
    for (const outbox of this.#outboxes.values()) outbox.push(window);
  }
}

/** What is counted between two boundaries. */
interface Pane {
  readonly counts: KeyedWindow;
  readonly unattributed: Record<UnattributedReason, number>;
  incomplete: number;
  readonly span?: WindowSpan;
}

function createPane(shape: WindowShape): Pane {
  return {
    counts: new KeyedWindow(shape),
    unattributed: { expired: 0, refused: 0, stopped: 0 },
    incomplete: 0,
  };
}

/** The window over all panes; what was given up is told for the newest pane only, so that no event is told twice. */
function toWindow(panes: readonly Pane[], shape: WindowShape, sequence: number): RollupWindow {
  const oldest = panes[0]!;
  const newest = panes.at(-1)!;
  let counts = newest.counts;
  if (panes.length > 1) {
    counts = new KeyedWindow(shape);
    for (const pane of panes) counts.merge(pane.counts);
  }
  return {
    sequence,
    startedAtMs: oldest.span!.startedAtMs,
    endedAtMs: newest.span!.endedAtMs,
    durationMs: panes.reduce((total, pane) => total + pane.span!.durationMs, 0),
    events: counts.events,
    size: counts.size,
    rows: () => counts.rows(),
    overflow: () => counts.overflow(),
    unattributed: newest.unattributed,
    incomplete: newest.incomplete,
  };
}

function createOutbox(
  sink: RollupSink,
  options: RollupOptions,
  clock: RollupClock,
): Outbox<RollupWindow> {
  const attemptMs = parseTimeout(
    options.attemptTimeout ?? DEFAULT_ATTEMPT_MS,
    "attemptTimeout",
    "30 s",
  );
  const random = options.random ?? Math.random;
  const retry = readRetryPolicy({ backoff: RETRY_BACKOFF });
  const notify = options.notify ?? ((): void => {});
  return new Outbox<RollupWindow>({
    deliver: (window, signal) => withDeadline(sink, window, { attemptMs, clock, signal }),
    retryDelayMs: (attempt) => retry.delayMs({ attempt, error: undefined }, random()),
    maxItems: readBound("maxKept", options.maxKept ?? DEFAULT_MAX_KEPT),
    clock,
    onDelivered: ({ sequence }) => notify({ kind: "delivered", sink: sink.name, sequence }),
    onKept: ({ sequence }, attempt, error) =>
      notify({ kind: "kept", sink: sink.name, sequence, attempt, error }),
    onDropped: ({ sequence }) => notify({ kind: "dropped", sink: sink.name, sequence }),
  });
}

/** One attempt of a sink, failed when it takes too long even if its promise never settles. */
async function withDeadline(
  sink: RollupSink,
  window: RollupWindow,
  limits: { readonly attemptMs: number; readonly clock: RollupClock; readonly signal: AbortSignal },
): Promise<void> {
  const late = new AbortController();
  const deadline = Promise.withResolvers<never>();
  const cancel = limits.clock.after(limits.attemptMs, () => {
    const error = new MillraceError("WAIT_TIMEOUT", {
      message: `sink "${sink.name}" took longer than ${limits.attemptMs} ms; it will be tried again`,
    });
    late.abort(error);
    deadline.reject(error);
  });
  try {
    const attempt = sink.deliver(window, AbortSignal.any([limits.signal, late.signal]));
    await Promise.race([attempt, deadline.promise]);
  } finally {
    cancel();
  }
}

function isKeyValue(value: unknown): value is KeyValue {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function waitingKey(field: string, child: string): string {
  return `${field}\u0000${child}`;
}
