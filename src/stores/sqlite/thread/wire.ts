// The short forms in which the hot path's messages cross threads: objects by the hundred cost a tenth of the thread.
import { claimedJobOf } from "../../../core/claimed-job.ts";
import { JOB_STATES } from "../../../core/job.ts";
import type { Advance } from "../../../core/run.ts";
import type {
  ClaimedJob,
  EnqueueReply,
  ExchangeReply,
  ExchangeRequest,
  NewJob,
  Retention,
  SettleReply,
  Settlement,
} from "../../../core/store.ts";
import {
  type PackedAdvances,
  type PackedAnswers,
  packAdvances,
  packAnswers,
  unpackAdvances,
  unpackAnswers,
} from "./wire-runs.ts";

/** A digit a job where all are new: the number of its state. Else the replies as they are. */
export type PackedEnqueue = string | readonly EnqueueReply[];

export function packEnqueue(replies: readonly EnqueueReply[]): PackedEnqueue {
  let states = "";
  for (const { state, isNew } of replies) {
    if (!isNew || state === null) return replies;
    states += JOB_STATES.indexOf(state);
  }
  return states;
}

export function unpackEnqueue(
  packed: PackedEnqueue,
  jobs: readonly NewJob[],
): readonly EnqueueReply[] {
  if (typeof packed !== "string") return packed;
  return jobs.map(({ id }, index) => ({ id, state: stateAt(packed, index), isNew: true }));
}

/** Jobs that succeeded without last words and are kept alike, in columns. */
interface PackedSuccesses {
  readonly ids: readonly string[];
  readonly tokens: readonly string[];
  readonly results: readonly string[];
  readonly retention: Retention;
}

/** An exchange on its way to the thread. */
export type PackedRequest = Omit<ExchangeRequest, "settlements" | "advances"> & {
  readonly settlements: PackedSuccesses | readonly Settlement[];
  readonly advances?: PackedAdvances;
};

export function packRequest({ settlements, advances, ...rest }: ExchangeRequest): PackedRequest {
  const packed = { ...rest, settlements: packSuccesses(settlements) ?? settlements };
  if (advances === undefined || advances.length === 0) return packed;
  return { ...packed, advances: packAdvances(advances) };
}

function packSuccesses(settlements: readonly Settlement[]): PackedSuccesses | null {
  const first = settlements[0]?.outcome;
  if (first?.kind !== "succeeded") return null;
  const { ageMs, count } = first.retention;
  const [ids, tokens, results]: [string[], string[], string[]] = [[], [], []];
  for (const { id, token, outcome, progress, logs } of settlements) {
    if (outcome.kind !== "succeeded" || progress !== undefined || logs !== undefined) return null;
    const { retention } = outcome;
    if (retention.ageMs !== ageMs || retention.count !== count) return null;
    ids.push(id);
    tokens.push(token);
    results.push(outcome.result);
  }
  return { ids, tokens, results, retention: { ageMs, count } };
}

export function unpackRequest(packed: PackedRequest): ExchangeRequest {
  const { settlements, advances, ...rest } = packed;
  const request = { ...rest, settlements: unpackSettlements(settlements) };
  if (advances === undefined) return request;
  return { ...request, advances: unpackAdvances(advances) };
}

function unpackSettlements(packed: PackedRequest["settlements"]): readonly Settlement[] {
  if (!("ids" in packed)) return packed;
  const { ids, tokens, results, retention } = packed;
  return ids.map((id, index) => ({
    id,
    token: tokens[index] ?? "",
    outcome: { kind: "succeeded", result: results[index] ?? "null", retention },
  }));
}

/** How many settlements there are. */
export function countSettlements({ settlements }: PackedRequest): number {
  return "ids" in settlements ? settlements.ids.length : settlements.length;
}

/** Everything of a claim but its token, which follows from the request and its place. */
type PackedClaim = readonly [
  id: ClaimedJob["id"],
  type: string,
  queue: string,
  input: string,
  attempt: number,
  crashes: number,
  enqueuedAtMs: number,
  dueAtMs: number,
  tags: ClaimedJob["tags"] | null,
  retention: ClaimedJob["retention"] | null,
  terms: ClaimedJob["terms"] | null,
  parent: ClaimedJob["parent"] | null,
  resumes: boolean,
];

/** Claims of one lane, each the first of its job, with nothing that most jobs have not: in columns. */
interface PackedPlainClaims {
  readonly type: string;
  readonly queue: string;
  readonly ids: readonly string[];
  readonly inputs: readonly string[];
  readonly enqueuedAtMs: readonly number[];
  readonly dueAtMs: readonly number[];
}

export interface PackedExchange {
  /** A digit for each accepted settlement (the number of its state), or one of the letters below. */
  readonly settled: string;
  readonly claimed: PackedPlainClaims | readonly PackedClaim[];
  readonly startedAtMs: number;
  readonly lookAgainInMs: number | null;
  readonly advanced?: PackedAnswers;
}

const STALE = "s";
const GONE = "g";

/** `advances`: what its request said of runs. */
export function packExchange(
  reply: ExchangeReply,
  advances: readonly Advance[] = [],
): PackedExchange {
  let settled = "";
  for (const each of reply.settled) {
    if (each.accepted) settled += JOB_STATES.indexOf(each.state);
    else settled += each.why === "gone" ? GONE : STALE;
  }
  return {
    settled,
    claimed: packPlainClaims(reply.claimed) ?? reply.claimed.map(packClaim),
    startedAtMs: reply.claimed[0]?.startedAtMs ?? 0,
    lookAgainInMs: reply.lookAgainInMs,
    ...(reply.advanced === undefined ? {} : { advanced: packAnswers(reply.advanced, advances) }),
  };
}

function packPlainClaims(claimed: readonly ClaimedJob[]): PackedPlainClaims | null {
  const [first] = claimed;
  if (first === undefined) return null;
  const { type, queue } = first;
  const [ids, inputs]: [string[], string[]] = [[], []];
  const [enqueuedAtMs, dueAtMs]: [number[], number[]] = [[], []];
  for (const job of claimed) {
    if (job.type !== type || job.queue !== queue || !isPlain(job)) return null;
    ids.push(job.id);
    inputs.push(job.input);
    enqueuedAtMs.push(job.enqueuedAtMs);
    dueAtMs.push(job.dueAtMs);
  }
  return { type, queue, ids, inputs, enqueuedAtMs, dueAtMs };
}

function isPlain({
  attempt,
  crashes,
  tags,
  retention,
  terms,
  parent,
  resumes,
}: ClaimedJob): boolean {
  return (
    attempt === 1 &&
    crashes === 0 &&
    tags.length === 0 &&
    retention === undefined &&
    terms === undefined &&
    parent === undefined &&
    resumes === undefined
  );
}

function packClaim(job: ClaimedJob): PackedClaim {
  return [
    job.id,
    job.type,
    job.queue,
    job.input,
    job.attempt,
    job.crashes,
    job.enqueuedAtMs,
    job.dueAtMs,
    job.tags.length === 0 ? null : job.tags,
    job.retention ?? null,
    job.terms ?? null,
    job.parent ?? null,
    job.resumes ?? false,
  ];
}

const NO_TAGS: readonly string[] = [];

export function unpackExchange(packed: PackedExchange, request: ExchangeRequest): ExchangeReply {
  const { tokenNonce = "", firstToken = 0 } = request.claim ?? {};
  const { advanced } = packed;
  return {
    settled: Array.from(packed.settled, (sign, index): SettleReply => {
      if (sign === STALE) return { accepted: false, why: "stale" };
      if (sign === GONE) return { accepted: false, why: "gone" };
      return { accepted: true, state: stateAt(packed.settled, index) };
    }),
    claimed: unpackClaims(packed, (index) => `${tokenNonce}.${firstToken + index}`),
    lookAgainInMs: packed.lookAgainInMs,
    ...(advanced === undefined
      ? {}
      : { advanced: unpackAnswers(advanced, request.advances ?? []) }),
  };
}

function unpackClaims(
  { claimed, startedAtMs }: PackedExchange,
  tokenOf: (index: number) => string,
): readonly ClaimedJob[] {
  if ("ids" in claimed) {
    const { type, queue, inputs, enqueuedAtMs, dueAtMs } = claimed;
    return claimed.ids.map((id, index) => ({
      id,
      type,
      queue,
      input: inputs[index] ?? "null",
      token: tokenOf(index),
      attempt: 1,
      crashes: 0,
      enqueuedAtMs: enqueuedAtMs[index] ?? 0,
      dueAtMs: dueAtMs[index] ?? 0,
      startedAtMs,
      tags: NO_TAGS,
    }));
  }
  return claimed.map((claim, index) => unpackClaim(claim, tokenOf(index), startedAtMs));
}

function unpackClaim(claim: PackedClaim, token: string, startedAtMs: number): ClaimedJob {
  const [id, type, queue, input, attempt, crashes, enqueuedAtMs, dueAtMs, tags, ...more] = claim;
  const [retention, terms, parent, resumes] = more;
  const times = { enqueuedAtMs, dueAtMs, startedAtMs };
  return claimedJobOf(
    { id, type, queue, input, token, attempt, crashes, ...times, tags: tags ?? NO_TAGS },
    { retention, terms, parent, resumes: resumes ? true : null },
  );
}

function stateAt(states: string, index: number): (typeof JOB_STATES)[number] {
  return JOB_STATES[Number(states[index])] ?? "ready";
}
