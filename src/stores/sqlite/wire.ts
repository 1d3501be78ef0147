// The short forms in which the replies of the hot path cross threads: objects by the hundred cost a tenth of the thread.
import { JOB_STATES } from "../../core/job.ts";
import type { Advance } from "../../core/run.ts";
import type {
  ClaimedJob,
  EnqueueReply,
  ExchangeReply,
  ExchangeRequest,
  NewJob,
  SettleReply,
} from "../../core/store.ts";

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

/**
 * An exchange on its way to the thread, with what runs say as text: as objects the words of a run of two steps take the
 * thread 20 µs to read, as text 7.
 */
export type PackedRequest = Omit<ExchangeRequest, "advances"> & {
  readonly advances?: { readonly text: string; readonly weight: number };
};

/** The weight is how much there is to write: see group.ts. */
export function packRequest(request: ExchangeRequest): PackedRequest {
  const { advances, ...rest } = request;
  if (advances === undefined || advances.length === 0) return rest;
  let weight = 0;
  for (const { entries, children } of advances) weight += entries.length + (children?.length ?? 0);
  return { ...rest, advances: { text: JSON.stringify(advances), weight } };
}

export function unpackRequest({ advances, ...rest }: PackedRequest): ExchangeRequest {
  if (advances === undefined) return rest;
  return { ...rest, advances: JSON.parse(advances.text) as readonly Advance[] };
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

export interface PackedExchange {
  /** A digit for each accepted settlement (the number of its state), or one of the letters below. */
  readonly settled: string;
  readonly claimed: readonly PackedClaim[];
  readonly startedAtMs: number;
  readonly lookAgainInMs: number | null;
  readonly advanced?: ExchangeReply["advanced"];
}

const STALE = "s";
const GONE = "g";

export function packExchange(reply: ExchangeReply): PackedExchange {
  let settled = "";
  for (const each of reply.settled) {
    if (each.accepted) settled += JOB_STATES.indexOf(each.state);
    else settled += each.why === "gone" ? GONE : STALE;
  }
  return {
    settled,
    claimed: reply.claimed.map((job) => [
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
    ]),
    startedAtMs: reply.claimed[0]?.startedAtMs ?? 0,
    lookAgainInMs: reply.lookAgainInMs,
    ...(reply.advanced === undefined ? {} : { advanced: reply.advanced }),
  };
}

const NO_TAGS: readonly string[] = [];

export function unpackExchange(packed: PackedExchange, request: ExchangeRequest): ExchangeReply {
  const { tokenNonce = "", firstToken = 0 } = request.claim ?? {};
  return {
    settled: Array.from(packed.settled, (sign, index): SettleReply => {
      if (sign === STALE) return { accepted: false, why: "stale" };
      if (sign === GONE) return { accepted: false, why: "gone" };
      return { accepted: true, state: stateAt(packed.settled, index) };
    }),
    claimed: packed.claimed.map(
      (
        [
          id,
          type,
          queue,
          input,
          attempt,
          crashes,
          enqueuedAtMs,
          dueAtMs,
          tags,
          retention,
          terms,
          parent,
          resumes,
        ],
        index,
      ) => ({
        id,
        type,
        queue,
        input,
        token: `${tokenNonce}.${firstToken + index}`,
        attempt,
        crashes,
        enqueuedAtMs,
        dueAtMs,
        startedAtMs: packed.startedAtMs,
        tags: tags ?? NO_TAGS,
        ...(retention === null || retention === undefined ? {} : { retention }),
        ...(terms === null || terms === undefined ? {} : { terms }),
        ...(parent === null || parent === undefined ? {} : { parent }),
        ...(resumes ? { resumes: true as const } : {}),
      }),
    ),
    lookAgainInMs: packed.lookAgainInMs,
    ...(packed.advanced === undefined ? {} : { advanced: packed.advanced }),
  };
}

function stateAt(states: string, index: number): (typeof JOB_STATES)[number] {
  return JOB_STATES[Number(states[index])] ?? "ready";
}
