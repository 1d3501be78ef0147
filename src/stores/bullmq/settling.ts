// Settling: what workers say of the jobs that they ran, decided by the core and written by BullMQ.
import type { JobChange } from "../../core/events.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobRecord } from "../../core/job.ts";
import { MAX_LOG_LINES } from "../../core/limits.ts";
import type { NewLogLine, SettleOutcome, SettleReply, Settlement } from "../../core/store.ts";
import { type StorePolicy, type Transition, cancelError, settle } from "../../core/transitions.ts";
import {
  type Context,
  placesOf,
  policyOf,
  typesNamed,
  watchClaimed,
  watchJobs,
} from "./context.ts";
import type { Turn } from "./link.ts";
import { type Move, writeMoves } from "./moves.ts";
import type { Found, Place } from "./records.ts";

const STALE: SettleReply = { accepted: false, why: "stale" };
const GONE: SettleReply = { accepted: false, why: "gone" };

/** What a settlement makes of a job. */
interface Decision {
  readonly reply: SettleReply;
  readonly move: Move | null;
}

/** Settles jobs, in their order. */
export async function settleJobs(
  context: Context,
  settlements: readonly Settlement[],
): Promise<readonly SettleReply[]> {
  if (settlements.length === 0) return [];
  const { link } = context;
  const places = await placesOf(
    context,
    settlements.map(({ id }) => id),
  );
  const watched = [...places.values()].flat();
  const replies = await link.guard("settle", async (turn) => {
    const jobs = await readJobs(context, turn, watched);
    const logged = await logCounts(context, turn, settlements, jobs);
    const types = await typesNamed(
      turn.read.bind(turn),
      link.keys.types,
      [...jobs.values()].map(({ record }) => record.type),
    );
    const nowMs = Date.now();
    const moves: Move[] = [];
    const decided = settlements.map((settlement) => {
      const found = jobs.get(settlement.id);
      if (found === undefined) return GONE;
      const policy = policyOf(types, found.record.type, found.retention);
      const decision = decide(found, settlement, policy, nowMs, turn.isRepeated);
      if (decision.move === null) return decision.reply;
      const room = MAX_LOG_LINES - (logged.get(settlement.id) ?? 0);
      moves.push({ ...decision.move, logs: (settlement.logs ?? []).slice(0, Math.max(0, room)) });
      const { after } = decision.move;
      if (after === null) jobs.delete(settlement.id);
      else jobs.set(settlement.id, { ...found, record: after });
      return decision.reply;
    });
    return moves.length === 0
      ? decided
      : turn.commit((writes) => writeMoves(link, turn, writes, moves, nowMs), decided);
  });
  for (const [index, { id, token }] of settlements.entries()) {
    if (replies[index]?.accepted === true && context.held.get(id)?.token === token) {
      context.held.delete(id);
    }
  }
  return replies;
}

async function readJobs(
  context: Context,
  turn: Turn,
  places: readonly Place[],
): Promise<Map<JobId, Found>> {
  const jobs = new Map<JobId, Found>();
  // A repetition asks how jobs ended, too.
  const read = turn.isRepeated ? watchJobs : watchClaimed;
  for (const [index, found] of (await read(context, turn, places)).entries()) {
    const place = places[index];
    if (found !== null && place !== undefined) jobs.set(place.id, found);
  }
  return jobs;
}

async function logCounts(
  { link }: Context,
  turn: Turn,
  settlements: readonly Settlement[],
  jobs: ReadonlyMap<JobId, Found>,
): Promise<ReadonlyMap<JobId, number>> {
  const logging = settlements.flatMap(({ id, logs = [] }) => {
    const found = jobs.get(id);
    return logs.length === 0 || found === undefined ? [] : [found];
  });
  const counts = await turn.read(
    logging.map(({ queue, bullId }) => ["LLEN", `${link.keys.bull(queue, bullId)}:logs`]),
  );
  return new Map(logging.map(({ id }, index) => [id, Number(counts[index])]));
}

/** Decides one settlement. `isRepeated`: the answer to the same settlement may have been lost. */
function decide(
  found: Found,
  settlement: Settlement,
  policy: StorePolicy,
  nowMs: number,
  isRepeated: boolean,
): Decision {
  const { token, outcome, progress } = settlement;
  if (isRepeated && found.extras.settledBy === token && found.record.state !== "running") {
    return { reply: { accepted: true, state: found.record.state }, move: null };
  }
  const record = progress === undefined ? found.record : { ...found.record, progress };
  const transition = settle(record, token, outcome, policy, nowMs);
  if (transition.kind === "rejected") return { reply: STALE, move: null };
  const after = transition.kind === "removed" ? null : transition.job;
  const end = endOf(record, outcome);
  const changes = [...lastWords(settlement), end, ...removalOf(transition)];
  return {
    reply: { accepted: true, state: after?.state ?? stateAfter(end) },
    move: {
      found,
      after,
      changes,
      isSuspect: outcome.kind === "release" && found.extras.isSuspect === true,
      settledBy: token,
    },
  };
}

function stateAfter(end: JobChange): "succeeded" | "failed" | "cancelled" {
  return end.kind === "succeeded" || end.kind === "cancelled" ? end.kind : "failed";
}

/** What followers are told of the end of a try. */
function endOf(record: JobRecord, outcome: SettleOutcome): JobChange {
  const request = record.cancelRequest;
  switch (outcome.kind) {
    case "succeeded":
      return { kind: "succeeded", result: outcome.result };
    case "failed":
    case "cancelled":
      return { kind: outcome.kind, error: outcome.error };
    case "retry":
    case "snooze":
    case "release":
      if (request !== null) return { kind: "cancelled", error: cancelError(request.reason) };
      if (outcome.kind === "release") return { kind: "readied", why: "released" };
      return outcome.kind === "retry"
        ? { kind: "retrying", error: outcome.error, delayMs: outcome.delayMs }
        : { kind: "snoozed", delayMs: outcome.delayMs };
  }
}

/** The event of a removal, where a transition removes the job. */
export function removalOf(transition: Transition): readonly JobChange[] {
  return transition.kind === "removed" ? [{ kind: "removed" }] : [];
}

function lastWords({
  progress,
  logs = [],
}: {
  readonly progress?: string;
  readonly logs?: readonly NewLogLine[];
}): readonly JobChange[] {
  return [
    ...logs.map(({ level, message }) => ({ kind: "log" as const, level, message })),
    ...(progress === undefined ? [] : [{ kind: "progress" as const, progress }]),
  ];
}
