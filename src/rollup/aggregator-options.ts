// The WebSocket aggregator's options and what it tells, with their defaults and bounds.
import { type OptionNames, checkOptions } from "../core/arguments.ts";
import { type Duration, parseDuration } from "../core/duration.ts";
import { MillraceError } from "../core/errors.ts";
import { readRetryPolicy, type RetryPolicy } from "../core/retry.ts";
import { MAX_TIMER_MS, type RollupClock, systemClock } from "./clock.ts";
import { MALFORMED_KINDS, type MalformedKind } from "./full-message.ts";
import type { UnattributedReason } from "./held-events.ts";
import type { ConnectionLoss } from "./message-connection.ts";
import { DEFAULT_MAX_KEPT } from "./outbox.ts";
import type { ReportRow } from "./report.ts";
import { DEFAULT_MAX_HELD, DEFAULT_MAX_WAIT_MS, readBound } from "./rollup-options.ts";
import { canonicalUuid } from "./uuid-table.ts";
import type { WindowSpan } from "./window-timer.ts";

/** Where the server of the contract listens unless told otherwise. */
export const DEFAULT_AGGREGATOR_URL = "ws://localhost:5050/ws";
const DEFAULT_EVERY_MS = 60_000;
/** 62 MB of report at most: under the 100 MiB that a `ws` server takes as one message by default. */
const DEFAULT_MAX_PAIRS = 500_000;
/** Children and parents together: 50 MB of table. */
const DEFAULT_MAX_IDS = 1_000_000;
/**
 * 170,000 associations in one message. The most hostile JSON of this size took 0.9 GB and 2.5 s to parse
 * (nested lists), so a larger bound is for servers that are trusted.
 */
const DEFAULT_MAX_FRAME_BYTES = 16 * 1024 * 1024;
/** A dead peer is noticed after one to two of these. */
const DEFAULT_PING_MS = 10_000;
const DEFAULT_RECONNECT = { min: 250, max: 30_000 } as const;
const DEFAULT_DRAIN_MS = 10_000;

/** A window that has ended, as its owner is told. */
export interface AggregatorWindow extends WindowSpan {
  /** 1, 2, 3, ...: no number comes twice and none is left out. */
  readonly sequence: number;
  /** Messages counted in the window, those of the overflow included. */
  readonly messages: number;
  /** Distinct pairs with a row of their own. */
  readonly pairs: number;
  /** Messages whose pair was past the bound on pairs. */
  readonly overflow: number;
  /** Messages given up since the last window because an association was missing, by reason. */
  readonly unattributed: Readonly<Record<UnattributedReason, number>>;
  readonly rows: () => Iterable<ReportRow>;
}

/** What became of a report. */
export type ReportFate =
  /** The server has read it. */
  | "delivered"
  /** It went out whole and the connection was lost before the server could say that it read it. Not sent again. */
  | "unconfirmed"
  /** Its first try failed; it waits for the next one. */
  | "kept"
  /** Not sent before the stop; written to the file. */
  | "filed"
  /** Given up: too many waited, or the aggregator stopped and has no file. */
  | "dropped";

/** What the aggregator tells while it runs. */
export type AggregatorNotice =
  | {
      readonly kind: "connected";
      readonly connection: number;
      /** How long nothing could be received before, in milliseconds: what was sent then is not counted. */
      readonly gapMs: number;
    }
  | ({
      readonly kind: "disconnected";
      /** Frames received over the connection that was lost, 0 when a try failed; later ones of it are not counted. */
      readonly received: number;
    } & ConnectionLoss)
  | { readonly kind: "window"; readonly window: AggregatorWindow }
  | {
      readonly kind: "report";
      readonly fate: ReportFate;
      readonly sequence: number;
      /** Whether an earlier run of the program left it in the file. */
      readonly earlier: boolean;
      readonly error?: unknown;
    };

export interface AggregatorOptions {
  /** `ws://localhost:5050/ws` by default. */
  readonly url?: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** From one report to the next; a minute by default. */
  readonly every?: Duration;
  /** Whether reports go out on multiples of the wall clock (full minutes); false by default. */
  readonly aligned?: boolean;
  /** Whether a window without messages sends `[]`; true by default. */
  readonly sendEmpty?: boolean;
  readonly maxPairs?: number;
  /** Bound on children and parents together. */
  readonly maxIds?: number;
  /** A UUID that stands for every pair past `maxPairs`, as a last row of the report. Without it they are only told. */
  readonly overflowId?: string;
  /** Bounds on messages whose children are not known yet. */
  readonly hold?: { readonly maxMessages?: number; readonly maxWait?: Duration };
  readonly maxFrameBytes?: number;
  readonly pingEvery?: Duration;
  /** The wait before connecting again: doubles from `min` to `max`, drawn evenly from 0 to that. */
  readonly reconnect?: { readonly min?: Duration; readonly max?: Duration };
  /** Reports kept while they cannot be sent; the oldest is dropped past it, and told. */
  readonly maxKept?: number;
  /** Where `stop` writes what it cannot send, and `start` takes it from: one report a line. */
  readonly undeliveredFile?: string;
  /** How long `stop` tries to send. */
  readonly drain?: Duration;
  readonly notify?: (notice: AggregatorNotice) => void;
  readonly clock?: RollupClock;
  /** Draws the jitter of reconnections, from 0 to 1. */
  readonly random?: () => number;
}

const HOLD_NAMES: OptionNames<NonNullable<AggregatorOptions["hold"]>> = {
  maxMessages: true,
  maxWait: true,
};
const RECONNECT_NAMES: OptionNames<NonNullable<AggregatorOptions["reconnect"]>> = {
  min: true,
  max: true,
};
/** Headers may have any names, and a clock of one's own. */
const AGGREGATOR_NAMES: OptionNames<AggregatorOptions> = {
  url: true,
  headers: true,
  every: true,
  aligned: true,
  sendEmpty: true,
  maxPairs: true,
  maxIds: true,
  overflowId: true,
  hold: HOLD_NAMES,
  maxFrameBytes: true,
  pingEvery: true,
  reconnect: RECONNECT_NAMES,
  maxKept: true,
  undeliveredFile: true,
  drain: true,
  notify: true,
  clock: true,
  random: true,
};

/** The aggregator's figures at one moment. */
export interface AggregatorStats {
  readonly state: "connecting" | "open" | "stopped";
  readonly connections: number;
  /** Connections lost, and the time without one; what the server sent meanwhile is not counted. */
  readonly gaps: number;
  readonly gapMs: number;
  /** Well-formed messages: counted, held and unattributed make this sum. */
  readonly messages: number;
  readonly counted: number;
  readonly held: number;
  readonly unattributed: Readonly<Record<UnattributedReason, number>>;
  /** Messages counted past the bound on pairs; they are part of `counted`. */
  readonly overflow: number;
  /** Frames, and entries of association lists, that were skipped. */
  readonly malformed: Readonly<Record<MalformedKind, number>>;
  readonly children: number;
  readonly ids: number;
  readonly refusedAssociations: number;
  readonly windows: number;
  readonly reports: Readonly<Record<Exclude<ReportFate, "kept">, number>>;
  /** Reports that wait to be sent. */
  readonly kept: number;
  /** Distinct pairs in the open window. */
  readonly pairs: number;
  /** Milliseconds to the next report; 0 while stopped. */
  readonly remainingMs: number;
}

/** The options with every default filled in and every bound checked. */
export interface AggregatorSettings {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly everyMs: number;
  readonly aligned: boolean;
  readonly sendEmpty: boolean;
  readonly maxPairs: number;
  readonly maxIds: number;
  readonly overflowId: string | undefined;
  readonly maxMessages: number;
  readonly maxWaitMs: number;
  readonly maxFrameBytes: number;
  readonly pingEveryMs: number;
  readonly retry: RetryPolicy;
  readonly maxKept: number;
  readonly undeliveredFile: string | undefined;
  readonly drainMs: number;
  readonly notify: (notice: AggregatorNotice) => void;
  readonly clock: RollupClock;
  readonly random: () => number;
}

/** Fills in and checks. Throws `INVALID_ARGUMENT` or `INVALID_DURATION`. */
export function readAggregatorOptions(options: AggregatorOptions): AggregatorSettings {
  const { min, max } = {
    ...DEFAULT_RECONNECT,
    ...checkOptions(options, "options", AGGREGATOR_NAMES).reconnect,
  };
  return {
    url: readUrl(options.url ?? DEFAULT_AGGREGATOR_URL),
    headers: options.headers ?? {},
    everyMs: readTimer("every", options.every ?? DEFAULT_EVERY_MS),
    aligned: options.aligned ?? false,
    sendEmpty: options.sendEmpty ?? true,
    maxPairs: readBound("maxPairs", options.maxPairs ?? DEFAULT_MAX_PAIRS),
    maxIds: readBound("maxIds", options.maxIds ?? DEFAULT_MAX_IDS),
    overflowId: readOverflowId(options.overflowId),
    maxMessages: readBound("hold.maxMessages", options.hold?.maxMessages ?? DEFAULT_MAX_HELD),
    maxWaitMs: parseDuration(options.hold?.maxWait ?? DEFAULT_MAX_WAIT_MS, "hold.maxWait"),
    maxFrameBytes: readBound("maxFrameBytes", options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES),
    pingEveryMs: readTimer("pingEvery", options.pingEvery ?? DEFAULT_PING_MS),
    retry: readRetryPolicy({ backoff: { kind: "exponential", base: min, max } }),
    maxKept: readBound("maxKept", options.maxKept ?? DEFAULT_MAX_KEPT),
    undeliveredFile: options.undeliveredFile,
    drainMs: parseDuration(options.drain ?? DEFAULT_DRAIN_MS, "drain"),
    notify: options.notify ?? ((): void => {}),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

/** No malformed frame of any kind. */
export function noMalformed(): Record<MalformedKind, number> {
  return Object.fromEntries(MALFORMED_KINDS.map((kind) => [kind, 0])) as Record<
    MalformedKind,
    number
  >;
}

function readUrl(url: string | URL): string {
  const parsed = URL.canParse(String(url)) ? new URL(url) : undefined;
  if (parsed !== undefined && ["ws:", "wss:"].includes(parsed.protocol) && parsed.hash === "") {
    return parsed.href;
  }
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `url is ${JSON.stringify(String(url))}; expected a WebSocket URL such as ${DEFAULT_AGGREGATOR_URL}`,
  });
}

function readTimer(name: string, duration: Duration): number {
  const ms = parseDuration(duration, name);
  if (ms >= 1 && ms <= MAX_TIMER_MS) return ms;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `${name} is ${ms} ms; expected 1 ms to ${MAX_TIMER_MS} ms (24.8 days)`,
  });
}

function readOverflowId(id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  const canonical = canonicalUuid(id);
  if (canonical !== undefined) return canonical;
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `overflowId is ${JSON.stringify(id)}; expected a UUID`,
  });
}
