// Claims of the reference model: which jobs a store may choose, and what becomes of them.
import type { JobRecord } from "../../core/job.ts";
import type { ClaimRequest, ClaimedJob, ExchangeReply, Offer } from "../../core/store.ts";
import { claim, rankOf } from "../../core/transitions.ts";
import { TOLERANCE_MS } from "./compare.ts";
import { type ModelJob, type StoreModel, isClaimable } from "./model.ts";

/** A claim: who asked for what, and when. */
export interface Asked {
  readonly worker: string;
  readonly request: ClaimRequest;
  readonly nowMs: number;
}

/**
 * Judges what a store handed out by the rules of the seam, and then makes the same of the model.
 *
 * @throws Error that says which rule was broken
 */
export function applyClaim(
  model: StoreModel,
  asked: Asked,
  { claimed, lookAgainInMs }: ExchangeReply,
): void {
  const jobs = claimed.map((handed) => findClaimed(model, asked, handed));
  judgeBounds(asked.request, claimed);
  judgeTokens(asked.request, claimed);
  judgeOrder(model, asked, jobs);
  const waiting = waitingIn(model, asked);
  for (const [index, job] of jobs.entries()) {
    const token = claimed[index]?.token ?? "";
    const ready: JobRecord = { ...job.record, state: "ready" };
    const transition = claim(ready, { worker: asked.worker, token }, asked.nowMs);
    if (transition.kind !== "changed") throw new Error(`the model refuses to claim ${ready.id}`);
    const held = model.whyHeld(ready, asked.nowMs);
    if (held !== null) throw new Error(`${ready.id} was claimed, and a limit holds it`);
    model.startUnderLimits(ready, asked.nowMs);
    model.jobs.set(ready.id, { ...job, record: transition.job });
  }
  model.differences.claimed(waiting, asked.request, claimed, asked.nowMs);
  judgeCompleteness(model, asked, jobs);
  judgeLookAgain(model, asked, claimed.length, lookAgainInMs);
}

function findClaimed(model: StoreModel, asked: Asked, handed: ClaimedJob): ModelJob {
  const job = model.jobs.get(handed.id);
  if (job === undefined) throw new Error(`${handed.id} was claimed and is not kept`);
  const { record } = job;
  const why = reasonNotTo(model, asked, record);
  if (why !== null) throw new Error(`${record.id} was claimed: ${why}`);
  if (asked.request.isYoung === true && model.differences.isForGrown(job.deaths)) {
    throw new Error(`${record.id} was given to a young worker after ${job.deaths} deaths in a row`);
  }
  const { dueAtMs } = handed;
  const expected: readonly unknown[] = [
    record.type,
    record.queue,
    record.input,
    record.attempts + 1,
    record.crashes,
    record.enqueuedAtMs,
    // One that was settled in the same act is due by the store's clock.
    Math.abs(record.dueAtMs - dueAtMs) > TOLERANCE_MS ? record.dueAtMs : dueAtMs,
    record.tags.join(),
    record.terms,
  ];
  const told: readonly unknown[] = [
    handed.type,
    handed.queue,
    handed.input,
    handed.attempt,
    handed.crashes,
    handed.enqueuedAtMs,
    dueAtMs,
    handed.tags.join(),
    handed.terms,
  ];
  if (expected.some((value, index) => value !== told[index])) {
    throw new Error(`a claim tells ${JSON.stringify(told)} of ${JSON.stringify(record)}`);
  }
  const agreed: ModelJob = { ...job, record: { ...record, dueAtMs } };
  model.jobs.set(record.id, agreed);
  return agreed;
}

function reasonNotTo(model: StoreModel, asked: Asked, record: JobRecord): string | null {
  const { request, nowMs, worker } = asked;
  if (!model.leases.has(worker)) return "its worker holds no lease";
  if (!isClaimable(record, nowMs)) return `it is ${record.state}, due at ${record.dueAtMs}`;
  if (model.paused.has(record.queue)) return "its queue is paused";
  if (offerFor(request, record) === undefined) return "it was not asked for";
  if (!record.labels.every((label) => request.labels.includes(label)))
    return "its labels do not fit";
  return null;
}

function offerFor({ offers }: ClaimRequest, record: JobRecord): Offer | undefined {
  return offers.find(({ queue, type }) => queue === record.queue && type === record.type);
}

function judgeBounds(request: ClaimRequest, claimed: readonly ClaimedJob[]): void {
  if (claimed.length > request.capacity) throw new Error("more was claimed than the capacity");
  for (const { queue, type, capacity } of request.offers) {
    const taken = claimed.filter((job) => job.queue === queue && job.type === type).length;
    if (taken > capacity) throw new Error(`more was claimed of ${queue} and ${type} than offered`);
  }
  if (new Set(claimed.map(({ id }) => id)).size !== claimed.length) {
    throw new Error("a job was claimed twice by one call");
  }
}

function judgeTokens(
  { tokenNonce, firstToken, capacity }: ClaimRequest,
  claimed: readonly ClaimedJob[],
): void {
  for (const { token } of claimed) {
    const number = Number(token.slice(tokenNonce.length + 1));
    const isAsked = number >= firstToken && number < firstToken + capacity;
    if (!isAsked || token !== `${tokenNonce}.${number}`) {
      throw new Error(
        `token ${token} was given, expected ${tokenNonce}.${firstToken} and the ${capacity - 1} after it`,
      );
    }
  }
  if (new Set(claimed.map(({ token }) => token)).size !== claimed.length) {
    throw new Error("a token was given twice");
  }
}

/** What could be claimed now of the queues that were asked for, whatever its type. */
function waitingIn(model: StoreModel, { request, nowMs }: Asked): readonly JobRecord[] {
  const queues = new Set(request.offers.map(({ queue }) => queue));
  return [...model.jobs.values()]
    .map(({ record }) => record)
    .filter((record) => queues.has(record.queue) && isClaimable(record, nowMs));
}

/** Within a lane, what is claimed is what comes first, in order. Jobs whose workers died have no place to keep. */
function judgeOrder(model: StoreModel, asked: Asked, claimed: readonly ModelJob[]): void {
  const hasPlace = ({ record, deaths }: ModelJob): boolean =>
    deaths === 0 && model.differences.hasPlace(record);
  const lanes = new Set(claimed.map(({ record }) => laneOf(record)));
  for (const lane of lanes) {
    const waiting = candidates(model, asked).filter(
      (job) => laneOf(job.record) === lane && hasPlace(job),
    );
    waiting.sort((left, right) => byRank(left.record, right.record));
    const taken = claimed.filter((job) => laneOf(job.record) === lane && hasPlace(job));
    for (const [index, { record }] of taken.entries()) {
      const first = waiting[index]?.record;
      if (first?.id === record.id) continue;
      throw new Error(`${record.id} was claimed where ${first?.id ?? "none"} comes first`);
    }
  }
}

/** Where there is room nothing that fits is left behind. The claims were made by now. */
function judgeCompleteness(model: StoreModel, asked: Asked, claimed: readonly ModelJob[]): void {
  const { request, worker, nowMs } = asked;
  // A worker whose lease is over may be found out at any time.
  if ((model.leases.get(worker) ?? 0) <= nowMs) return;
  if (claimed.length === request.capacity) return;
  const waiting = candidates(model, asked);
  const mayBeKeptApart = [...waiting, ...model.runningOf(worker)].some(({ deaths }) => deaths > 0);
  if (mayBeKeptApart) return;
  for (const { queue, type, capacity } of request.offers) {
    const isOf = ({ record }: ModelJob): boolean => record.queue === queue && record.type === type;
    if (claimed.filter(isOf).length === capacity) continue;
    const left = waiting.find(
      (job) =>
        isOf(job) &&
        !model.mayBeHeld(job.record, nowMs) &&
        !model.differences.mayStay(job.record, nowMs),
    );
    if (left === undefined) continue;
    throw new Error(`${left.record.id} of ${queue} and ${type} was left behind`);
  }
}

function judgeLookAgain(
  model: StoreModel,
  asked: Asked,
  claimed: number,
  lookAgainInMs: number | null,
): void {
  if (!model.leases.has(asked.worker)) return;
  const dueInMs = [...model.jobs.values()]
    .map(({ record }) => record)
    .filter((record) => record.state === "scheduled" && record.dueAtMs > asked.nowMs)
    .filter((record) => {
      const due: JobRecord = { ...record, state: "ready" };
      return reasonNotTo(model, { ...asked, nowMs: record.dueAtMs }, due) === null;
    })
    .filter((record) => model.whyHeld(record, record.dueAtMs) === null)
    .map((record) => record.dueAtMs - asked.nowMs);
  // A request that got all it asked for need not have looked at what limits hold.
  const isShort = claimed < asked.request.capacity;
  for (const { record } of isShort ? candidates(model, asked) : []) {
    const held = model.whyHeld(record, asked.nowMs);
    if (held !== null && held.untilMs !== null) dueInMs.push(held.untilMs - asked.nowMs);
  }
  const first = dueInMs.length === 0 ? null : Math.min(...dueInMs);
  if (first !== null && (lookAgainInMs === null || lookAgainInMs > first + TOLERANCE_MS)) {
    throw new Error(`look again in ${String(lookAgainInMs)} ms, where a job is due in ${first}`);
  }
}

function candidates(model: StoreModel, asked: Asked): ModelJob[] {
  return [...model.jobs.values()].filter(
    ({ record }) => reasonNotTo(model, asked, record) === null,
  );
}

/** Jobs with keys have an order among those with the same keys alone. */
function laneOf({ queue, type, labels, keys }: JobRecord): string {
  return JSON.stringify([queue, type, labels, keys]);
}

function byRank(left: JobRecord, right: JobRecord): number {
  const apart = rankOf(left) - rankOf(right);
  return apart === 0 ? (left.id < right.id ? -1 : 1) : apart;
}
