// Which function answers which call, and whether it writes.
import type { Context } from "../context.ts";
import type { Attachments } from "./attachments.ts";
import { describe } from "../describe.ts";
import { enqueue } from "../enqueue.ts";
import { exchange } from "../exchange.ts";
import { addFigures, readFigures } from "../figures.ts";
import { signal } from "../runs/facts.ts";
import type { Followers } from "../followers.ts";
import { detach, redescribe, workers } from "../leases.ts";
import { get } from "../list.ts";
import type { Call, Method, Methods } from "./messages.ts";
import { readLimitRecords, releaseHold, setLimits } from "../flow/limits.ts";
import { listTypes, putTypes, queues, setPaused } from "../queues.ts";
import { changeJobs, changeMatching, places } from "../orders.ts";
import { logs, report } from "../report.ts";
import { readRun } from "../runs/runs.ts";
import { changeSchedules, schedules, tick } from "../schedules.ts";
import { list } from "../search.ts";
import { sweep } from "../sweep.ts";
import { countSettlements, packEnqueue, packExchange, unpackRequest } from "./wire.ts";
import type { Durability } from "../../../core/store-description.ts";

/** What calls are run with. */
export interface Session {
  readonly context: Context;
  readonly durability: Durability;
  readonly attachments: Attachments;
  readonly followers: Followers;
  /** To be done once the transaction is committed. */
  readonly afterCommit: (() => void)[];
}

type Handler<Name extends Method> = (
  session: Session,
  request: Methods[Name]["request"],
) => Methods[Name]["reply"];

const READS: { readonly [Name in Method]?: Handler<Name> } = {
  get: ({ context }, { ids }) => get(context, ids),
  list: ({ context }, request) => list(context, request),
  logs: ({ context }, request) => logs(context, request),
  readRun: ({ context }, request) => readRun(context, request),
  places: ({ context }, request) => places(context, request),
  workers: ({ context }) => workers(context),
  queues: ({ context }) => queues(context),
  types: ({ context }) => listTypes(context),
  limits: ({ context }, query) => readLimitRecords(context, query),
  figures: ({ context }, request) => readFigures(context, request),
  schedules: ({ context }, query) => schedules(context, query),
  describe: (session) => describe(session.context, session.durability),
};

const WRITES: { readonly [Name in Method]?: Handler<Name> } = {
  enqueue: ({ context }, { jobs }) => packEnqueue(enqueue(context, jobs)),
  exchange: (session, request) => {
    const asked = unpackRequest(request);
    const result = exchange(session.context, asked);
    const { claim } = request;
    if (claim !== undefined) {
      session.afterCommit.push(() => session.attachments.note(request.worker, claim, result));
    }
    return packExchange(result.reply, asked.advances);
  },
  report: ({ context }, { reports }) => reports.map((said) => report(context, said)),
  signal: ({ context }, { signals }) => signal(context, signals),
  cancel: ({ context }, { ids, reason }) =>
    changeJobs(context, { ids, order: { kind: "cancel", reason } }),
  retry: ({ context }, { ids }) => changeJobs(context, { ids, order: { kind: "retry" } }),
  remove: ({ context }, { ids }) => changeJobs(context, { ids, order: { kind: "remove" } }),
  change: ({ context }, request) => changeJobs(context, request),
  changeMatching: ({ context }, request) => changeMatching(context, request),
  setPaused: ({ context }, request) => setPaused(context, request),
  setLimits: ({ context }, request) => setLimits(context, request),
  releaseHold: ({ context }, request) => releaseHold(context, request),
  putTypes: ({ context }, { types }) => putTypes(context, types),
  addFigures: ({ context }, { figures }) => {
    addFigures(context, figures);
  },
  changeSchedules: ({ context }, { changes }) => changeSchedules(context, changes),
  tick: ({ context }, { ticks }) => tick(context, ticks),
  sweep: ({ context }, { limit }) => sweep(context, limit),
  attach: (session, request) => {
    session.afterCommit.push(session.attachments.join(session.context, request));
    return null;
  },
  update: (session, { key, worker }) => {
    const found = session.attachments.find(key);
    if (found !== undefined) redescribe(session.context, found.workerNo, worker);
    return null;
  },
  detach: (session, { key }) => {
    const found = session.attachments.find(key);
    if (found === undefined) return null;
    while (!detach(session.context, found.workerNo));
    session.afterCommit.push(() => session.attachments.remove(key));
    return null;
  },
  follow: (session, { key, filter }) => {
    session.afterCommit.push(session.followers.join(session.context, key, filter));
    return null;
  },
  unfollow: (session, { key }) => {
    session.afterCommit.push(session.followers.leave(session.context, key));
    return null;
  },
};

/** Whether a call needs the write lock. */
export function isWrite({ method }: Call): boolean {
  return method in WRITES;
}

/**
 * Whether a call's reply promises something that a loss of power must not take back. A claim does not: lost with the
 * power, the job is ready again, as it is when its worker dies. Nor do reports and leases. Without the wait for the disk
 * a job starts in half the time.
 */
export function isPromise(call: Call): boolean {
  if (call.method === "exchange") {
    const request = call.request as Methods["exchange"]["request"];
    return countSettlements(request) > 0 || request.advances !== undefined;
  }
  return !UNPROMISED.has(call.method);
}

const UNPROMISED: ReadonlySet<Method> = new Set([
  "addFigures",
  "report",
  "attach",
  "update",
  "follow",
  "unfollow",
]);

/** Answers a call. Writes are called inside a transaction. */
export function answer(session: Session, { method, request }: Call): unknown {
  const handler: unknown = WRITES[method] ?? READS[method];
  // The tables above pair each name with its own request; the compiler can't follow that through a lookup.
  return (handler as (session: Session, request: unknown) => unknown)(session, request);
}
