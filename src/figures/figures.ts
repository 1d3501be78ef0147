// The figures room of an open Millrace: counts what this process's jobs came to, a minute at a time.
import {
  type ClaimedJob,
  type Figures,
  MillraceError,
  type NewFigures,
  type SettleOutcome,
  bucketName,
  errorCountName,
  parseDuration,
  quantileOf,
  windowStartMs,
  checkOptions,
  checkTexts,
  wrongArgument,
} from "../core/index.ts";
import { Rollup, type RollupWindow } from "../rollup/index.ts";
import {
  FIGURE_NAMES,
  type FigureOperations,
  type FigureQuery,
  type FigureView,
  type Room,
  type RoomParts,
} from "../runtime/index.ts";

/** The room and its call. */
interface FiguresRoom {
  readonly room: Room;
  readonly calls: FigureOperations;
}

/** Outcomes, waits and runs of this many types and buckets are told apart in a minute; the rest overflows and is not kept. */
const MAX_KEYS = 100_000;
/** What is shown unless asked otherwise: the last hour by the minute, the last day by the hour. */
const DEFAULT_SINCE = { minute: "1h", hour: "24h" } as const;

/** How a try's end is counted. */
const NAMES: Readonly<Record<SettleOutcome["kind"], string>> = {
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  retry: "retried",
  snooze: "snoozed",
  release: "released",
};

/** Makes the figures room of an open Millrace. */
export function createFigures(parts: RoomParts): FiguresRoom {
  const isKept = parts.store.capabilities.has("figures");
  /** Names of errors in the current minute, by type. */
  const errors = new Map<string, Set<string>>();
  const open = (): Rollup => openRollup(parts, () => errors.clear());
  let rollup: Rollup | undefined;
  let isFinished = false;
  const room: Room = {
    register: () => {},
    start: async () => {
      isFinished = false;
      if (isKept) rollup ??= open();
    },
    // The tries that end while the worker drains count too.
    stop: async () => {},
    finish: async () => {
      isFinished = true;
      const ending = rollup;
      rollup = undefined;
      await ending?.stop();
    },
    settled: (claimed, outcome, runMs) => {
      if (!isKept || isFinished) return;
      // A service that runs nothing itself settles the jobs of remote workers: it counts from the first of them.
      rollup ??= open();
      count(rollup, claimed, outcome, runMs);
      if (outcome.kind === "failed" || outcome.kind === "retry") {
        const known = errors.get(claimed.type) ?? new Set();
        const name = errorCountName(outcome.error, known);
        errors.set(claimed.type, known.add(name));
        rollup.add({ type: claimed.type, name });
      }
    },
  };
  return {
    room,
    calls: async (query = {}) => {
      if (!isKept) {
        throw new MillraceError("UNSUPPORTED", { message: "this store keeps no figures" });
      }
      return read(parts, query);
    },
  };
}

function openRollup({ store, logger }: RoomParts, onWindow: () => void): Rollup {
  const rollup = new Rollup({
    window: { size: "1m", aligned: true },
    key: ["type", "name"],
    maxKeys: MAX_KEYS,
    sinks: [
      {
        name: "store",
        deliver: async (window) => {
          onWindow();
          const figures = figuresOf(window);
          if (figures.length > 0) await store.addFigures({ figures });
        },
      },
    ],
    notify: (notice) => {
      if (notice.kind === "dropped") logger.warn(notice, "figures of a minute could not be kept");
    },
  });
  rollup.start();
  return rollup;
}

function count(rollup: Rollup, claimed: ClaimedJob, outcome: SettleOutcome, runMs: number): void {
  const { type } = claimed;
  rollup.add({ type, name: NAMES[outcome.kind] });
  rollup.add({ type, name: bucketName("run", runMs) });
  rollup.add({ type, name: bucketName("wait", claimed.startedAtMs - claimed.dueAtMs) });
}

/** One entry for each type of a window. */
function figuresOf(window: RollupWindow): NewFigures[] {
  const startMs = windowStartMs("minute", window.startedAtMs);
  const byType = new Map<string, Record<string, number>>();
  for (const { key, count: times } of window.rows()) {
    const type = String(key["type"]);
    const counts = byType.get(type) ?? {};
    counts[String(key["name"])] = times;
    byType.set(type, counts);
  }
  return [...byType].map(([type, counts]) => ({ startMs, type, counts }));
}

async function read({ store }: RoomParts, query: FigureQuery): Promise<readonly FigureView[]> {
  checkTexts({ type: checkOptions(query, "query", FIGURE_NAMES).type });
  const resolution = query.resolution ?? "minute";
  if (typeof resolution !== "string" || !Object.hasOwn(DEFAULT_SINCE, resolution)) {
    throw wrongArgument("resolution", resolution, Object.keys(DEFAULT_SINCE).join(" or "));
  }
  const sinceMs = parseDuration(query.since ?? DEFAULT_SINCE[resolution], "since");
  const { nowMs } = await store.describe();
  const figures = await store.figures({
    resolution,
    fromMs: windowStartMs(resolution, nowMs - sinceMs),
    ...(query.type === undefined ? {} : { type: query.type }),
  });
  return figures.map(view);
}

function view({ resolution, startMs, type, counts }: Figures): FigureView {
  const outcomes = Object.fromEntries(
    Object.values(NAMES).map((name) => [name, counts[name] ?? 0]),
  );
  return {
    resolution,
    start: new Date(startMs).toISOString(),
    type,
    outcomes,
    waitMs: quantilesOf(counts, "wait"),
    runMs: quantilesOf(counts, "run"),
  };
}

function quantilesOf(counts: Figures["counts"], measured: "wait" | "run"): FigureView["runMs"] {
  const at = (quantile: number): number => Math.round(quantileOf(counts, measured, quantile) ?? 0);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
