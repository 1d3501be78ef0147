// The store on BullMQ: the seam's methods, put together from the parts beside.
import { checkFigures } from "../../core/figures.ts";
import { MillraceError } from "../../core/errors.ts";
import {
  checkScheduleChanges,
  checkScheduleQuery,
  checkTicks,
} from "../../core/schedule-checks.ts";
import type { Durability } from "../../core/store-description.ts";
import type { ExchangeReply, ExchangeRequest, Store } from "../../core/store.ts";
import { withoutLimits } from "../../core/without-limits.ts";
import { refuseNewParts, withoutOrders } from "../../core/without-orders.ts";
import { withoutWorkflows } from "../../core/without-workflows.ts";
import { check } from "../checks.ts";
import type { SharedClock } from "../clock.ts";
import { BULLMQ_CAPABILITIES } from "./abilities.ts";
import { cancelJobs, keepReports, removeJobs, retryJobs } from "./changes.ts";
import { claimJobs } from "./claiming.ts";
import { type Context, findJobs } from "./context.ts";
import { describeStore } from "./describe.ts";
import { createEnqueuer } from "./enqueue.ts";
import { follow } from "./followers.ts";
import { listJobs, readLogs } from "./listing.ts";
import { listQueues, listTypes, putTypes, setPaused } from "./queues.ts";
import { createReader } from "./reader.ts";
import { createDiscovery } from "./registry.ts";
import { changeSchedules, fireTicks, readSchedules } from "./schedules.ts";
import { settleJobs } from "./settling.ts";
import { sweepAll } from "./sweep.ts";
import { type Workers, openWorkers } from "./workers.ts";

/** Locks of claims by a worker that is attached elsewhere. */
const DEFAULT_LOCK_MS = 30_000;

type Opened = <Value>(act: () => Promise<Value> | Value) => Promise<Value>;

/** Puts a store together. */
export function createBullmqStore(
  context: Context,
  durability: Durability,
  clock: SharedClock | undefined,
): Store {
  const reader = createReader(context.link);
  const workers = openWorkers(context, reader, clock);
  const enqueuer = createEnqueuer(context);
  const discover = createDiscovery(context);
  let closing: Promise<void> | null = null;
  const end = async (): Promise<void> => {
    await workers.close();
    reader.close();
    context.link.close();
  };
  /** A closed store answers with a promise too. */
  const open: Opened = async (act) => {
    if (closing !== null) throw new MillraceError("STORE_CLOSED");
    return act();
  };
  return {
    capabilities: BULLMQ_CAPABILITIES,
    durability,
    enqueue: (request) => open(() => enqueuer.enqueue(check.enqueue(request).jobs)),
    exchange: (request) => open(() => exchange(context, workers, check.exchange(request))),
    report: (request) => open(() => keepReports(context, check.report(request).reports)),
    attachWorker: (request) =>
      open(() => {
        check.attach(request);
        return workers.attach(request);
      }),
    workers: () => open(() => workers.list()),
    ...jobMethods(context, discover, open),
    queues: () =>
      open(async () => {
        await discover();
        return listQueues(context);
      }),
    setPaused: (request) => open(() => setPaused(context, check.setPaused(request))),
    putTypes: (request) => open(() => putTypes(context, check.putTypes(request).types)),
    types: () => open(() => listTypes(context)),
    ...withoutLimits("BullMQ"),
    ...withoutOrders("BullMQ"),
    ...withoutWorkflows("BullMQ"),
    ...directoryMethods(context, open),
    sweep: (request) =>
      open(async () => {
        const reply = await sweepAll(context, check.sweep(request).limit);
        workers.noteDead(reply.deadWorkers);
        return reply;
      }),
    subscribe: (request) => open(() => follow(context.link, reader, request)),
    describe: () => open(() => describeStore(context, durability)),
    close: () => (closing ??= end()),
  };
}

/** The methods that are about jobs by their ids, whoever runs them. */
function jobMethods(
  context: Context,
  discover: () => Promise<void>,
  open: Opened,
): Pick<Store, "get" | "list" | "logs" | "cancel" | "retry" | "remove"> {
  return {
    get: (request) =>
      open(async () => {
        const jobs = await findJobs(context, check.ids(request).ids);
        return jobs.map((job) => job?.record ?? null);
      }),
    list: (request) =>
      open(async () => {
        refuseNewParts("BullMQ", check.list(request).filter);
        await discover();
        return listJobs(context, request);
      }),
    logs: (request) => open(() => readLogs(context, check.logs(request))),
    cancel: (request) => open(() => cancelJobs(context, check.ids(request))),
    retry: (request) => open(() => retryJobs(context, check.ids(request).ids)),
    remove: (request) => open(() => removeJobs(context, check.ids(request).ids)),
  };
}

/** The methods that are about the namespace as a whole: schedules, and figures, which BullMQ has no place for. */
function directoryMethods(
  context: Context,
  open: Opened,
): Pick<Store, "changeSchedules" | "schedules" | "tick" | "addFigures" | "figures"> {
  return {
    changeSchedules: (request) =>
      open(() => changeSchedules(context, checkScheduleChanges(request).changes)),
    schedules: (request) => open(() => readSchedules(context, checkScheduleQuery(request))),
    tick: (request) => open(() => fireTicks(context, checkTicks(request).ticks)),
    addFigures: (request) =>
      open(() => {
        checkFigures(request.figures);
        return noFigures();
      }),
    figures: () => open(noFigures),
  };
}

function noWorkflows(): MillraceError {
  return new MillraceError("UNSUPPORTED", {
    message:
      "the BullMQ store can't keep workflow runs; use the SQLite or the Redis store for workflows",
  });
}

function noFigures(): never {
  throw new MillraceError("UNSUPPORTED", {
    message: 'the BullMQ store keeps no figures; use one that has the capability "figures"',
  });
}

/** Settles what ended, and claims what comes next. */
async function exchange(
  context: Context,
  workers: Workers,
  request: ExchangeRequest,
): Promise<ExchangeReply> {
  const { worker, settlements, claim } = request;
  if ((request.advances ?? []).length > 0) throw noWorkflows();
  const settled = await settleJobs(context, settlements);
  workers.dropped(settlements.map(({ token }) => token));
  if (claim === undefined) return { settled, claimed: [], lookAgainInMs: null };
  const lockMs = workers.lockMsOf(worker) ?? DEFAULT_LOCK_MS;
  const { claimed, lookAgainInMs } = await claimJobs(context, worker, lockMs, claim);
  workers.holds(worker, claimed);
  return { settled, claimed, lookAgainInMs };
}
