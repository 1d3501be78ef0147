// The batch launcher: gathers jobs of one type, calls its handler once for all of them, and hands each its own outcome.
import type { BatchOutcome, JobBatch, JobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import { startTimer } from "../timer.ts";
import type { LaunchRequest, Launcher } from "./launcher.ts";

/** Name of the launcher. */
export const BATCH_LAUNCHER = "batch";

/** What it needs of a type: `type.batch`. */
type Batching = NonNullable<JobType["batch"]>;

/** A job that waits for its batch. */
interface Entry {
  readonly request: LaunchRequest;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Jobs of one handler and one key. */
interface Gathering {
  readonly entries: Entry[];
  /** Ends the wait for others, and begins with those that came. */
  readonly flush: () => void;
  readonly cancelTimer: () => void;
}

/**
 * Makes the launcher. Each job of a batch is a try of its own, with its own timeout, log and outcome; one whose signal
 * is aborted while it waits takes no part, and ends at once.
 */
export function createBatchLauncher(): Launcher {
  const gatherings = new Map<Batching, Map<string, Gathering>>();
  return {
    name: BATCH_LAUNCHER,
    launch: (request) =>
      new Promise((resolve, reject) => {
        const batching = request.options as Batching;
        const byKey = gatherings.get(batching) ?? new Map<string, Gathering>();
        gatherings.set(batching, byKey);
        const key = batching.by === null ? "" : String(batching.by(request.input));
        gather(batching, { byKey, key }, { request, resolve, reject });
      }),
    hurry: (options) => {
      const byKey = gatherings.get(options as Batching);
      for (const { flush } of byKey?.values() ?? []) flush();
    },
  };
}

interface Place {
  readonly byKey: Map<string, Gathering>;
  readonly key: string;
}

/** Puts a job to others of its key, and begins with them when they are as many as a batch may have. */
function gather(batching: Batching, place: Place, entry: Entry): void {
  const { byKey, key } = place;
  const { signal } = entry.request;
  if (signal.aborted) {
    entry.reject(signal.reason);
    return;
  }
  const gathering = byKey.get(key) ?? openGathering(batching, place);
  const { entries } = gathering;
  entries.push(entry);
  const leave = (): void => {
    // Its batch may have begun: then its handler is told.
    if (byKey.get(key) !== gathering) return;
    entries.splice(entries.indexOf(entry), 1);
    if (entries.length === 0) {
      byKey.delete(key);
      gathering.cancelTimer();
    }
    entry.reject(signal.reason);
  };
  signal.addEventListener("abort", leave, { once: true });
  if (entries.length >= batching.size) gathering.flush();
}

function openGathering(batching: Batching, { byKey, key }: Place): Gathering {
  const entries: Entry[] = [];
  const flush = (): void => {
    byKey.delete(key);
    gathering.cancelTimer();
    void runBatch(batching, entries);
  };
  const gathering: Gathering = {
    entries,
    flush,
    cancelTimer: startWait(batching.withinMs, flush),
  };
  byKey.set(key, gathering);
  return gathering;
}

/** Waits for others: with no time to wait, for those that were claimed together. */
function startWait(withinMs: number, flush: () => void): () => void {
  if (withinMs > 0) return startTimer(withinMs, flush);
  const immediate = setImmediate(flush);
  return () => clearImmediate(immediate);
}

async function runBatch(batching: Batching, entries: readonly Entry[]): Promise<void> {
  const end = allAborted(entries);
  const batch: JobBatch<unknown> = {
    // A request has all that a handler's context needs.
    jobs: entries.map(({ request }) => request),
    signal: end.signal,
  };
  try {
    settleEach(entries, await batching.run(batch));
  } catch (error) {
    for (const { reject } of entries) reject(error);
  } finally {
    end.release();
  }
}

function settleEach(entries: readonly Entry[], outcome: BatchOutcome<unknown>): void {
  if (outcome !== undefined && (!Array.isArray(outcome) || outcome.length !== entries.length)) {
    throw new MillraceError("INVALID_OUTPUT", {
      message: `a batch of ${entries.length} jobs gave ${Array.isArray(outcome) ? `${outcome.length} outcomes` : `a ${typeof outcome}`}; expected one for each job in their order, or nothing where all succeeded`,
    });
  }
  for (const [index, { resolve, reject }] of entries.entries()) {
    const each: unknown = outcome?.[index];
    if (each instanceof Error) reject(each);
    else resolve(each);
  }
}

/** Aborted when every job's signal is: one that is cancelled does not end the others. */
function allAborted(entries: readonly Entry[]): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
  const controller = new AbortController();
  let left = entries.length;
  const onAbort = (event: Event): void => {
    left -= 1;
    if (left === 0) controller.abort((event.target as AbortSignal).reason);
  };
  for (const { request } of entries) {
    request.signal.addEventListener("abort", onAbort, { once: true });
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const { request } of entries) request.signal.removeEventListener("abort", onAbort);
    },
  };
}
