// Orders on many jobs, and why a job waits: the operator's half of Millrace beyond single jobs.
import {
  checkObject,
  checkOptions,
  checkTexts,
  checkWhole,
  wrongArgument,
} from "../../core/arguments.ts";
import { parseDuration } from "../../core/duration.ts";
import { groupErrors } from "../../core/error-groups.ts";
import { MillraceError } from "../../core/errors.ts";
import type { Capability } from "../../core/store-description.ts";
import {
  FIGURES_KEPT_MS,
  RESOLUTION_MS,
  type Resolution,
  windowStartMs,
} from "../../core/figures.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobRecord } from "../../core/job.ts";
import { MAX_COUNTED, MAX_PAGE, checkName } from "../../core/limits.ts";
import type { ChangeStep, JobFilter, Store, Taker } from "../../core/store.ts";
import { isTaken, takersOf } from "../../core/takers.ts";
import { type OpenStep, type WaitFacts, explainWait, sentenceOf } from "../../core/why.ts";
import type { JobView } from "../millrace.ts";
import type { Registry } from "../registry.ts";
import { withKeysOf, withKeysOfAll } from "./edited-keys.ts";
import { type PacedOrder, paceOrder } from "./order-pace.ts";
import {
  ERROR_QUERY_NAMES,
  type ErrorGroupView,
  type ErrorQuery,
  type OrderOperations,
  type OrderProgress,
  type OrderStep,
  PAUSE_NAMES,
  STEP_NAMES,
  type WhyView,
} from "./order-operations.ts";
import { readOrder, readSelection } from "./selecting.ts";

/** Jobs changed in one call of the store: it holds up running work for about 10 ms, or waits once for the disk. */
const CHANGED_AT_A_TIME = 500;
/** Jobs of a step unless asked otherwise. */
const DEFAULT_STEP = 1_000;
/** A step of many calls answers after this time, so that whoever asked can tell how far it is, or stop. */
const STEP_MS = 1_000;
/** Jobs shown of a dry run. */
const SAMPLE = 5;
/** Errors of the last day, by the minute. */
const DEFAULT_ERRORS_SINCE_MS: number = FIGURES_KEPT_MS.minute;
/** How far back the pace of a queue is looked at. */
const PACE_MINUTES = 10;

export interface OrderingParts {
  readonly store: Store;
  readonly registry: Pick<Registry, "find">;
  readonly view: (records: readonly JobRecord[]) => Promise<readonly JobView[]>;
  readonly checkIds: (ids: readonly JobId[]) => readonly JobId[];
  /** The steps of a workflow run that have not ended. */
  readonly openSteps: (id: JobId) => Promise<readonly OpenStep[]>;
}

/** Makes the calls. */
export function createOrdering(parts: OrderingParts): OrderOperations {
  const { store, checkIds } = parts;
  return {
    order: async (ids, order) => {
      const read = await withKeysOf(parts, readOrder(order), checkIds(ids));
      return store.change({ ids, order: read });
    },
    orderMatching: (step) => carryOutStep(parts, step),
    why: async (id) => why(parts, checkIds([id])[0] ?? id),
    errors: (query = {}) => readErrors(store, query),
    drain: async (queue, options = {}) => {
      const { by = "unknown", reason = "" } = checkOptions(options, "options", PAUSE_NAMES);
      refuseUnless(store, "drain", "let a queue drain");
      await store.setPaused({ queue: checkName(queue, "queue"), draining: true, by, reason });
    },
  };
}

function refuseUnless(store: Store, capability: Capability, what: string): void {
  if (store.capabilities.has(capability)) return;
  throw new MillraceError("UNSUPPORTED", {
    message: `this store can't ${what}; use one that has the capability "${capability}"`,
  });
}

async function carryOutStep(parts: OrderingParts, step: OrderStep): Promise<OrderProgress> {
  const { store } = parts;
  refuseUnless(store, "bulk", "find and change jobs by a selection");
  const {
    dryRun = false,
    limit = DEFAULT_STEP,
    after = { changed: 0 },
  } = checkOptions(step, "step", STEP_NAMES);
  checkWhole(limit, "limit", 1);
  checkWhole(checkObject(after, "after").changed, "after.changed", 0);
  if (after.pacedFromMs !== undefined && !Number.isFinite(after.pacedFromMs)) {
    throw wrongArgument("after.pacedFromMs", after.pacedFromMs, "what the step before gave");
  }
  if (typeof dryRun !== "boolean") throw wrongArgument("dryRun", dryRun, "true or false");
  const filter = readSelection(step.select);
  const order = await withKeysOfAll(parts, readOrder(step.order), filter.type);
  const paced = await paceOrder(store, dryRun ? null : order, after.pacedFromMs);
  const sum = await changeUpTo(store, { filter, order: paced, limit, after });
  const isFirst = dryRun && step.after === undefined;
  const { fromMs } = paced;
  return {
    ...sum,
    ...(fromMs === undefined || sum.cursor === undefined ? {} : { pacedFromMs: fromMs }),
    ...(isFirst ? { sample: await sampleOf(parts, filter) } : {}),
    unindexed: sum.unindexed.map((part) => SELECTION_NAMES[part] ?? part),
  };
}

/** Parts of a filter under the names that a selection has for them. */
const SELECTION_NAMES: Readonly<Partial<Record<keyof JobFilter, string>>> = {
  fingerprint: "error",
  finishedFromMs: "finishedFrom",
  finishedBeforeMs: "finishedBefore",
};

async function changeUpTo(
  store: Store,
  request: Pick<Parameters<Store["changeMatching"]>[0], "filter" | "limit"> & {
    readonly order: PacedOrder;
    readonly after: NonNullable<OrderStep["after"]>;
  },
): Promise<ChangeStep> {
  const { filter, order, limit, after } = request;
  const endsAtMs = performance.now() + STEP_MS;
  let sum: ChangeStep = {
    matched: 0,
    changed: after.changed,
    examined: 0,
    unindexed: [],
    ...(after.cursor === undefined ? {} : { cursor: after.cursor }),
  };
  do {
    const { cursor: from } = sum;
    const next = order.next(sum.changed);
    const most = next === null ? MAX_COUNTED : CHANGED_AT_A_TIME;
    const part = await store.changeMatching({
      filter,
      order: next,
      limit: Math.min(most, limit - sum.matched),
      changedBefore: sum.changed,
      ...(from === undefined ? {} : { cursor: from }),
    });
    sum = {
      ...part,
      matched: sum.matched + part.matched,
      changed: sum.changed + part.changed,
      examined: sum.examined + part.examined,
    };
  } while (sum.cursor !== undefined && sum.matched < limit && performance.now() < endsAtMs);
  return sum;
}

/** Where no index answers, the first pages may hold none of those that the count finds. */
async function sampleOf(
  { store, view }: OrderingParts,
  filter: JobFilter,
): Promise<readonly JobView[]> {
  const endsAtMs = performance.now() + STEP_MS;
  const found: JobRecord[] = [];
  let cursor: string | undefined;
  do {
    const limit = SAMPLE - found.length;
    const page = await store.list({ filter, limit, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...page.jobs);
    ({ cursor } = page);
  } while (cursor !== undefined && found.length < SAMPLE && performance.now() < endsAtMs);
  return view(found);
}

async function readErrors(store: Store, query: ErrorQuery): Promise<readonly ErrorGroupView[]> {
  refuseUnless(store, "figures", "count errors");
  checkTexts({ type: checkOptions(query, "query", ERROR_QUERY_NAMES).type });
  const sinceMs = parseDuration(query.since ?? DEFAULT_ERRORS_SINCE_MS, "since");
  const { nowMs } = await store.describe();
  const resolutions: readonly Resolution[] =
    sinceMs <= FIGURES_KEPT_MS.minute ? ["minute"] : ["hour", "minute"];
  const windows = await Promise.all(
    resolutions.map((resolution) =>
      store.figures({
        resolution,
        fromMs: windowStartMs(resolution, nowMs - sinceMs),
        ...(query.type === undefined ? {} : { type: query.type }),
      }),
    ),
  );
  return groupErrors(windows.flat(), resolutions[0] ?? "minute").map(
    ({ firstSeenMs, lastSeenMs, ...group }) => ({
      ...group,
      firstSeen: new Date(firstSeenMs).toISOString(),
      lastSeen: new Date(lastSeenMs).toISOString(),
    }),
  );
}

async function why({ store, openSteps }: OrderingParts, id: JobId): Promise<WhyView | null> {
  const [job] = await store.get({ ids: [id] });
  if (job === null || job === undefined) return null;
  const known = await readFacts(store, job);
  const isRun = job.state === "waiting";
  const facts = { ...known, openSteps: isRun ? await openSteps(id) : [] };
  const reasons = explainWait(facts);
  return { id, state: job.state, reasons, sentence: sentenceOf(facts, reasons) };
}

async function readFacts(store: Store, job: JobRecord): Promise<Omit<WaitFacts, "openSteps">> {
  const { capabilities } = store;
  const { queue, keys } = job;
  const workers = await store.workers();
  const takers = takersOf(job, workers);
  const [{ nowMs }, queues, perWorker, places, limits] = await Promise.all([
    store.describe(),
    store.queues(),
    perWorkerOf(store, job),
    capabilities.has("places") ? store.places({ ids: [job.id], takers }) : [],
    capabilities.has("limits") ? store.limits({ queue, keys }) : [],
  ]);
  return {
    job,
    queue: queues.find(({ name }) => name === queue),
    workers,
    limits: limits.filter(
      ({ name, key }) => key === null || keys.some((own) => own.limit === name && own.key === key),
    ),
    place: places[0] ?? null,
    perWorker,
    pace: await paceOf(store, { queue, takers, nowMs }),
    nowMs,
  };
}

/** What workers run of a job's type, where that is bounded. */
async function perWorkerOf(
  store: Store,
  { queue, type }: JobRecord,
): Promise<WaitFacts["perWorker"]> {
  const most = (await store.types()).find(({ name }) => name === type)?.concurrency;
  if (most === undefined) return null;
  const filter = { states: ["running"], queue, type } as const;
  const { jobs } = await store.list({ filter, limit: MAX_PAGE });
  const running = new Map<string, number>();
  for (const { worker } of jobs) {
    if (worker !== null) running.set(worker, (running.get(worker) ?? 0) + 1);
  }
  return { most, running };
}

/** Tries that ended in the last minutes, of a queue's types that those who could take a job take, per millisecond. */
async function paceOf(
  store: Store,
  {
    queue,
    takers,
    nowMs,
  }: { readonly queue: string; readonly takers: readonly Taker[]; readonly nowMs: number },
): Promise<number> {
  if (!store.capabilities.has("figures")) return 0;
  const fromMs = windowStartMs("minute", nowMs) - PACE_MINUTES * RESOLUTION_MS.minute;
  const [types, figures] = await Promise.all([
    store.types(),
    store.figures({ resolution: "minute", fromMs }),
  ]);
  // Figures are kept by type, whatever labels its jobs require.
  const taken = types.filter(
    ({ name, queue: of }) => of === queue && isTaken({ type: name, labels: [] }, takers),
  );
  const own = new Set(taken.map(({ name }) => name));
  const counted = figures.filter(({ type }) => own.has(type));
  if (counted.length === 0) return 0;
  const ended = counted.reduce(
    (sum, { counts }) => sum + ENDS.reduce((tries, name) => tries + (counts[name] ?? 0), 0),
    0,
  );
  const firstMs = Math.min(...counted.map(({ startMs }) => startMs));
  return ended / Math.max(RESOLUTION_MS.minute, windowStartMs("minute", nowMs) - firstMs);
}

/** Outcomes after which the next job had its turn. */
const ENDS = ["succeeded", "failed", "cancelled", "retried"] as const;
