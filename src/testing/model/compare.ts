// Comparing a store with the model: whole records, times give or take what the calls themselves took.
import assert from "node:assert/strict";
import type { ErrorRecord } from "../../core/errors.ts";
import { JOB_STATES, type AttemptRecord, type JobRecord, type JobState } from "../../core/job.ts";
import { matches } from "../../core/matching.ts";
import type { JobFilter, Store } from "../../core/store.ts";
import { expire, isExpired } from "../../core/transitions.ts";
import type { StoreModel } from "./model.ts";

/** Most that a sequence of commands takes by itself, in milliseconds: durations in commands are far longer. */
export const TOLERANCE_MS = 30_000;

/**
 * Compares all that a store keeps with the model, and then takes the store's times over, so that small differences
 * never add up.
 *
 * @throws AssertionError that shows the difference
 */
export async function compare(store: Store, model: StoreModel, nowMs: number): Promise<void> {
  const { jobs } = await store.list({ filter: {}, limit: 1_000 });
  forgetDue(model, jobs, nowMs);
  expireDue(model, jobs, nowMs);
  const expected = model.list({});
  assert.deepEqual(
    jobs.map(({ id }) => id),
    expected.map(({ id }) => id),
    "the same jobs, newest first",
  );
  for (const [index, record] of jobs.entries()) {
    const wanted = expected[index];
    assert.ok(wanted !== undefined);
    assert.deepEqual(comparable(record, nowMs), comparable(wanted, nowMs));
    assertTimes(record, wanted);
    const job = model.jobs.get(record.id);
    if (job !== undefined) model.jobs.set(record.id, { ...job, record: withTimes(wanted, record) });
  }
  assert.deepEqual(await store.get({ ids: jobs.map(({ id }) => id) }), jobs, "get is as list");
  await compareQueues(store, model, jobs);
  await compareWorkers(store, model, nowMs);
}

/** A record whose time is over may be gone before the next sweep. */
function forgetDue(model: StoreModel, jobs: readonly JobRecord[], nowMs: number): void {
  const kept = new Set(jobs.map(({ id }) => id));
  for (const { record } of model.jobs.values()) {
    const isDue = record.removeAtMs !== null && record.removeAtMs <= nowMs;
    if (isDue && !kept.has(record.id)) model.forget(record.id);
  }
}

/** A job that a claim found too late may be ended before the next sweep. */
function expireDue(model: StoreModel, jobs: readonly JobRecord[], nowMs: number): void {
  const states = new Map(jobs.map(({ id, state }) => [id, state]));
  for (const job of model.jobs.values()) {
    const state = states.get(job.record.id);
    const isEnded = state === "failed" || state === undefined;
    if (!isEnded || !isExpired(job.record, nowMs)) continue;
    model.apply(job, expire(job.record, model.policyOf(job), nowMs), nowMs);
  }
}

/** Filters give what filtering the whole list gives. */
export async function compareFilter(
  store: Store,
  filter: JobFilter,
  pageSize: number,
): Promise<void> {
  const { jobs: all } = await store.list({ filter: {}, limit: 1_000 });
  const expected = all.filter((record) => matches(record, filter));
  const found: JobRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      filter,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    });
    assert.ok(page.jobs.length <= pageSize);
    found.push(...page.jobs);
    ({ cursor } = page);
  } while (cursor !== undefined);
  assert.deepEqual(found, expected);
}

async function compareQueues(
  store: Store,
  model: StoreModel,
  jobs: readonly JobRecord[],
): Promise<void> {
  const queues = await store.queues();
  for (const { name, counts, paused } of queues) {
    const states = jobs.filter(({ queue }) => queue === name).map(({ state }) => state);
    const countOf = (state: JobState): number => states.filter((each) => each === state).length;
    assert.deepEqual(
      counts,
      Object.fromEntries(JOB_STATES.map((state) => [state, countOf(state)])),
      `counts of ${name}`,
    );
    assert.equal(paused !== null, model.paused.has(name), `whether ${name} is paused`);
  }
  const listed = new Set(queues.map(({ name }) => name));
  const missing = [...new Set([...jobs.map(({ queue }) => queue), ...model.paused])].filter(
    (name) => !listed.has(name),
  );
  assert.deepEqual(missing, [], "queues that are not listed");
}

async function compareWorkers(store: Store, model: StoreModel, nowMs: number): Promise<void> {
  const workers = await store.workers();
  for (const { id, running, leaseUntilMs } of workers) {
    assert.ok(model.leases.has(id), `${id} is listed, and holds no lease`);
    assert.equal(running, model.runningOf(id).length, `running jobs of ${id}`);
    model.leases.set(id, leaseUntilMs);
  }
  const listed = new Set(workers.map(({ id }) => id));
  for (const [id, untilMs] of model.leases) {
    assert.ok(listed.has(id) || untilMs <= nowMs, `${id} holds a lease, and is not listed`);
  }
}

const TIMES = [
  "enqueuedAtMs",
  "dueAtMs",
  "expiresAtMs",
  "startedAtMs",
  "finishedAtMs",
  "removeAtMs",
] as const;

function assertTimes(record: JobRecord, wanted: JobRecord): void {
  for (const field of TIMES) assertTime(record[field], wanted[field], `${field} of ${record.id}`);
  assertTime(
    record.cancelRequest?.atMs ?? null,
    wanted.cancelRequest?.atMs ?? null,
    `cancelRequest.atMs of ${record.id}`,
  );
  for (const [index, attempt] of record.history.entries()) {
    assertTime(attempt.endedAtMs, wanted.history[index]?.endedAtMs ?? null, "endedAtMs");
    assertTime(attempt.startedAtMs, wanted.history[index]?.startedAtMs ?? null, "startedAtMs");
  }
}

function assertTime(actualMs: number | null, wantedMs: number | null, what: string): void {
  const isNear =
    actualMs === null || wantedMs === null
      ? actualMs === wantedMs
      : Math.abs(actualMs - wantedMs) <= TOLERANCE_MS;
  assert.ok(isNear, `${what} is ${String(actualMs)}, expected about ${String(wantedMs)}`);
}

function withTimes(wanted: JobRecord, { history, cancelRequest, ...record }: JobRecord): JobRecord {
  const times = Object.fromEntries(TIMES.map((field) => [field, record[field]]));
  return { ...wanted, ...times, state: record.state, history, cancelRequest };
}

/** What must be the same to the letter. */
function comparable(record: JobRecord, nowMs: number): object {
  const isDue = record.state === "scheduled" && record.dueAtMs <= nowMs;
  return {
    ...record,
    ...Object.fromEntries(TIMES.map((field) => [field, record[field] === null])),
    // Whether a job whose time has come is shown as ready before it is claimed is the store's choice.
    state: isDue ? "ready" : record.state,
    error: comparableError(record.error),
    cancelRequest: record.cancelRequest?.reason ?? null,
    history: record.history.map(comparableAttempt),
  };
}

function comparableAttempt(attempt: AttemptRecord): object {
  const { attempt: number, worker, outcome, error } = attempt;
  return { number, worker, outcome, error: comparableError(error ?? null) };
}

/** Of errors that stores make themselves the code counts, not the words. */
function comparableError(error: ErrorRecord | null): object | null {
  return error?.name === "MillraceError" ? { name: error.name, code: error.code } : error;
}
