// What a caller may say, checked on the caller's side, before anything is sent.
import { checkTexts, wrongArgument } from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";
import type { LimitQuery, ReleaseHold, SetLimits } from "../core/flow.ts";
import { MAX_LIMITS, checkBounds } from "../core/flow-options.ts";
import { isJobId } from "../core/ids.ts";
import {
  MAX_CLAIM_BATCH,
  MAX_COUNTED,
  MAX_ENQUEUE_BATCH,
  MAX_IDS,
  MAX_PAGE,
  MAX_PROGRESS_BYTES,
  MAX_TAG_LENGTH,
  MAX_TERMS_BYTES,
  MAX_VALUE_BYTES,
  checkBytes,
  checkName,
  checkTags,
} from "../core/limits.ts";
import { checkFilter } from "../core/matching.ts";
import { checkOrder } from "../core/orders.ts";
import {
  type Advance,
  type ChildJob,
  MAX_ADVANCE_CHILDREN,
  MAX_ADVANCE_ENTRIES,
  MAX_ENTRY_BYTES,
  MAX_RECORD_PAGE,
  MAX_SIGNALS,
  type ReadRun,
  type Signal,
} from "../core/run.ts";
import type {
  AttachWorker,
  ChangeJobs,
  ChangeMatching,
  ExchangeRequest,
  JobReport,
  ListRequest,
  LogsRequest,
  NewJob,
  SetPaused,
  SweepRequest,
  TypeRecord,
} from "../core/store.ts";

/** Names that were found right; beyond the bound the memory starts anew. */
const MAX_REMEMBERED_NAMES = 10_000;
const rightNames = new Set<string>();

function name(value: string, field: string): void {
  if (rightNames.has(value)) return;
  checkName(value, field);
  if (rightNames.size >= MAX_REMEMBERED_NAMES) rightNames.clear();
  rightNames.add(value);
}

function wrong(field: string, value: unknown, expected: string): never {
  throw wrongArgument(field, value, expected);
}

function whole(value: number, field: string, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) {
    wrong(field, value, `a whole number from ${least} to ${most}`);
  }
}

function time(value: number | undefined, field: string): void {
  if (value !== undefined && !Number.isSafeInteger(value)) {
    wrong(field, value, "a whole number of milliseconds");
  }
}

function id(value: string): void {
  if (typeof value !== "string" || !isJobId(value)) wrong("id", value, "a UUID in lower case");
}

function text(value: string, field: string, maxBytes: number): void {
  if (typeof value !== "string") wrong(field, value, "JSON text");
  // No text of a third of the bound is over it, whatever its characters.
  if (value.length * 3 > maxBytes) checkBytes(value, field, maxBytes);
}

function most(count: number, bound: number, what: string): void {
  if (count > bound) {
    throw new MillraceError("TOO_MANY", {
      message: `${count} ${what} in one call; at most ${bound} are allowed`,
    });
  }
}

function cursor(value: string | undefined): void {
  if (value !== undefined && (typeof value !== "string" || !/^[0-9a-f]{32}$/.test(value))) {
    wrong("cursor", value, "the cursor of a page before");
  }
}

function newJob(job: NewJob): void {
  id(job.id);
  name(job.type, "type");
  name(job.queue, "queue");
  text(job.input, "input", MAX_VALUE_BYTES);
  if (job.terms !== undefined) text(job.terms, "terms", MAX_TERMS_BYTES);
  time(job.delayMs, "delayMs");
  time(job.runAtMs, "runAtMs");
  time(job.headStartMs, "headStartMs");
  time(job.expireAfterMs, "expireAfterMs");
  if (job.delayMs !== undefined && job.runAtMs !== undefined) {
    wrong("runAtMs", job.runAtMs, "either delayMs or runAtMs");
  }
  if (job.parent !== undefined) id(job.parent);
  if (job.labels !== undefined) checkTags(job.labels, "labels");
  if (job.tags !== undefined) checkTags(job.tags, "tags");
  key(job.idempotency?.key, "idempotency.key");
  if (job.unique !== undefined || job.keys !== undefined) flow(job);
}

function key(value: string | undefined, field: string): void {
  if (value === undefined) return;
  if (typeof value !== "string" || value.length === 0 || value.length > MAX_TAG_LENGTH) {
    wrong(field, value, `a text of 1 to ${MAX_TAG_LENGTH} characters`);
  }
}

function flow({ unique, keys = [], idempotency }: NewJob): void {
  key(unique?.key, "unique.key");
  if (unique !== undefined && idempotency !== undefined) {
    wrong("unique", unique.key, "either unique or idempotency");
  }
  most(keys.length, MAX_LIMITS, "keys");
  for (const [index, each] of keys.entries()) {
    name(each.limit, "keys.limit");
    key(each.key, "keys.key");
    if (index > 0 && each.limit <= (keys[index - 1]?.limit ?? "")) {
      wrong("keys", each.limit, "one key a limit, sorted by limit");
    }
  }
}

function said(report: Pick<JobReport, "progress">): void {
  if (report.progress !== undefined) text(report.progress, "progress", MAX_PROGRESS_BYTES);
}

function child(job: ChildJob): void {
  newJob(job);
  if (job.isBegun === true && job.token === undefined) {
    wrong("token", job.token, "the token that a child which is begun already is claimed with");
  }
}

function advance({ id: run, from, entries, children = [], cancels = [] }: Advance): void {
  id(run);
  whole(from, "advance.from", 0, Number.MAX_SAFE_INTEGER);
  most(entries.length, MAX_ADVANCE_ENTRIES, "entries");
  most(children.length, MAX_ADVANCE_CHILDREN, "children");
  most(cancels.length, MAX_IDS, "cancels");
  for (const entry of entries) text(entry, "entry", MAX_ENTRY_BYTES);
  for (const one of children) child(one);
  for (const one of cancels) id(one);
}

/** Checks of each method's request, given back unchanged. */
export const check = {
  enqueue: <Request extends { readonly jobs: readonly NewJob[] }>(request: Request): Request => {
    most(request.jobs.length, MAX_ENQUEUE_BATCH, "jobs");
    for (const job of request.jobs) newJob(job);
    return request;
  },
  exchange: (request: ExchangeRequest): ExchangeRequest => {
    most(request.settlements.length, MAX_CLAIM_BATCH, "settlements");
    for (const settlement of request.settlements) {
      id(settlement.id);
      said(settlement);
      if (settlement.outcome.kind === "succeeded") {
        text(settlement.outcome.result, "result", MAX_VALUE_BYTES);
      }
    }
    for (const each of request.advances ?? []) advance(each);
    if (request.claim !== undefined) {
      whole(request.claim.capacity, "claim.capacity", 0, MAX_CLAIM_BATCH);
    }
    return request;
  },
  report: <Request extends { readonly reports: readonly JobReport[] }>(
    request: Request,
  ): Request => {
    most(request.reports.length, MAX_IDS, "reports");
    for (const report of request.reports) {
      id(report.id);
      said(report);
    }
    return request;
  },
  signal: <Request extends { readonly signals: readonly Signal[] }>(request: Request): Request => {
    most(request.signals.length, MAX_SIGNALS, "signals");
    for (const signal of request.signals) {
      id(signal.run);
      id(signal.id);
      name(signal.name, "signal");
      text(signal.payload, "payload", MAX_VALUE_BYTES);
    }
    return request;
  },
  readRun: (request: ReadRun): ReadRun => {
    id(request.id);
    if (request.afterFact !== null) id(request.afterFact);
    whole(request.afterEntries, "afterEntries", 0, Number.MAX_SAFE_INTEGER);
    whole(request.limit, "limit", 1, MAX_RECORD_PAGE);
    return request;
  },
  ids: <Request extends { readonly ids: readonly string[] }>(request: Request): Request => {
    most(request.ids.length, MAX_IDS, "ids");
    for (const one of request.ids) id(one);
    return request;
  },
  list: (request: ListRequest): ListRequest => {
    whole(request.limit, "limit", 1, MAX_PAGE);
    cursor(request.cursor);
    checkFilter(request.filter);
    return request;
  },
  change: (request: ChangeJobs): ChangeJobs => {
    most(request.ids.length, MAX_IDS, "ids");
    for (const one of request.ids) id(one);
    checkOrder(request.order);
    return request;
  },
  changeMatching: (request: ChangeMatching): ChangeMatching => {
    whole(request.limit, "limit", 1, request.order === null ? MAX_COUNTED : MAX_IDS);
    cursor(request.cursor);
    checkFilter(request.filter);
    if (request.order !== null) checkOrder(request.order);
    return request;
  },
  logs: (request: LogsRequest): LogsRequest => {
    id(request.id);
    whole(request.limit, "limit", 1, MAX_PAGE);
    whole(request.afterSeq ?? 0, "afterSeq", 0, Number.MAX_SAFE_INTEGER);
    return request;
  },
  setPaused: (request: SetPaused): SetPaused => {
    name(request.queue, "queue");
    checkTexts({ by: request.by, reason: request.reason });
    return request;
  },
  setLimits: (request: SetLimits): SetLimits => {
    name(request.queue, "queue");
    checkTexts({ by: request.by });
    for (const limit of request.limits) {
      name(limit.name, "limit");
      if (limit.bounds !== null) checkBounds(limit.bounds);
    }
    return request;
  },
  releaseHold: (request: ReleaseHold): ReleaseHold => {
    name(request.queue, "queue");
    if (request.key !== undefined) {
      name(request.key.limit, "key.limit");
      key(request.key.key, "key.key");
    }
    return request;
  },
  limits: (query: LimitQuery): LimitQuery => {
    if (query.queue !== undefined) name(query.queue, "queue");
    for (const each of query.keys ?? []) {
      name(each.limit, "keys.limit");
      key(each.key, "keys.key");
    }
    const count = query.keys?.length ?? 0;
    most(count, MAX_IDS, "keys");
    if (count > 0 && query.queue === undefined) {
      wrong("keys", query.keys, "the queue that they are of");
    }
    return query;
  },
  putTypes: <Request extends { readonly types: readonly TypeRecord[] }>(
    request: Request,
  ): Request => {
    for (const type of request.types) name(type.name, "type");
    return request;
  },
  sweep: (request: SweepRequest): SweepRequest => {
    whole(request.limit, "limit", 1, Number.MAX_SAFE_INTEGER);
    return request;
  },
  attach: ({ worker, leaseDurationMs }: Omit<AttachWorker, "listener">): void => {
    if (typeof worker.id !== "string" || worker.id.length === 0) {
      wrong("worker.id", worker.id, "a name of its own");
    }
    whole(leaseDurationMs, "leaseDurationMs", 1, Number.MAX_SAFE_INTEGER);
  },
};
