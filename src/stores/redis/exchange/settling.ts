// Decides what a settlement makes of its job, by core's transitions.
import type { JobChange } from "../../../core/events.ts";
import type { JobRecord, JobState } from "../../../core/job.ts";
import type { SettleReply, Settlement } from "../../../core/store.ts";
import {
  type StorePolicy,
  type Transition,
  cancelError,
  settle,
} from "../../../core/transitions.ts";
import type { Held } from "./claims.ts";
import { type Ending, successEnding } from "../runs/endings.ts";
import { parentOf } from "../runs/kin.ts";
import type { Move } from "../moves.ts";
import { type Extras, SYMBOLIC_NOW_MS, type StoredJob } from "../records.ts";

/** A settlement that needs no knowledge of its job: it succeeded, and nothing of it is kept. */
export function isPlainSettlement({ outcome }: Settlement): boolean {
  return (
    outcome.kind === "succeeded" && (outcome.retention.ageMs === 0 || outcome.retention.count === 0)
  );
}

/** What the run that made a job is told of its plain settlement; `null`: no run made it. */
export function plainEnding(held: Held | undefined, { outcome }: Settlement): Ending | null {
  if (held === undefined || outcome.kind !== "succeeded") return null;
  const parent = parentOf(held.kin);
  if (parent === null) return null;
  const extras: Extras = held.extras === "" ? {} : (JSON.parse(held.extras) as Extras);
  const attempts = (extras.a ?? 0) + 1;
  const { worker, startedAtMs } = held;
  return successEnding(parent, { attempts, worker, startedAtMs }, outcome.result);
}

/** Events of a plain settlement. */
export function plainEvents(settlement: Settlement, type: string, queue: string): string {
  if (settlement.outcome.kind !== "succeeded") return "";
  const base = { id: settlement.id, type, queue };
  const { result } = settlement.outcome;
  return `${lastWords(settlement)
    .map((change) => `${JSON.stringify({ ...base, ...change })},`)
    .join(
      "",
    )}${JSON.stringify({ ...base, kind: "succeeded", result })},${JSON.stringify({ ...base, kind: "removed" })}`;
}

/** What a settlement comes to: a move, or a refusal that can be told at once. */
export type Decision =
  | { readonly move: Move; readonly reply: SettleReply }
  | { readonly move: null; readonly reply: SettleReply };

/** Decides. `claim` is the guard of the move: the claim's own, or `null` for a job that was just read. */
export function decideSettlement(
  job: StoredJob,
  settlement: Settlement,
  policy: StorePolicy,
  claim: string | null,
): Decision {
  const { record } = job;
  const transition = settle(record, settlement.token, settlement.outcome, policy, SYMBOLIC_NOW_MS);
  if (transition.kind === "rejected") {
    return { move: null, reply: { accepted: false, why: "stale" } };
  }
  const state = endState(record, settlement, transition);
  const isCleared = settlement.outcome.kind !== "release";
  return {
    move: {
      job,
      claim,
      transition,
      changes: [...lastWords(settlement), ...changesOf(record, settlement, state, transition)],
      progress: settlement.progress,
      lines: settlement.logs?.map((line) => JSON.stringify(line)),
      pushBack: "pushBack" in settlement.outcome ? settlement.outcome.pushBack : undefined,
      // The worker outlived the try: it is no suspect.
      ...(isCleared && (job.strikes > 0 || job.lane.company > 0)
        ? { suspicion: { strikes: 0, company: 0 } }
        : {}),
    },
    reply: { accepted: true, state },
  };
}

/** The state in which a job ended or goes on, also where its record is removed at once. */
function endState(record: JobRecord, settlement: Settlement, transition: Transition): JobState {
  if (transition.kind === "changed") return transition.job.state;
  const { kind } = settlement.outcome;
  if (kind === "succeeded" || kind === "failed" || kind === "cancelled") return kind;
  // Only a cancel request makes an end of what was to go on.
  return record.cancelRequest === null ? record.state : "cancelled";
}

function lastWords(settlement: Settlement): JobChange[] {
  const changes: JobChange[] = [];
  if (settlement.progress !== undefined) {
    changes.push({ kind: "progress", progress: settlement.progress });
  }
  for (const { level, message } of settlement.logs ?? []) {
    changes.push({ kind: "log", level, message });
  }
  return changes;
}

function changesOf(
  record: JobRecord,
  { outcome }: Settlement,
  state: JobState,
  transition: Transition,
): JobChange[] {
  const changes: JobChange[] = [];
  if (state === "cancelled" && outcome.kind !== "cancelled") {
    changes.push({ kind: "cancelled", error: cancelError(record.cancelRequest?.reason ?? "") });
  } else if (outcome.kind === "succeeded") {
    changes.push({ kind: "succeeded", result: outcome.result });
  } else if (outcome.kind === "failed" || outcome.kind === "cancelled") {
    changes.push({ kind: outcome.kind, error: outcome.error });
  } else if (outcome.kind === "retry") {
    changes.push({ kind: "retrying", error: outcome.error, delayMs: outcome.delayMs });
  } else if (outcome.kind === "snooze") {
    changes.push({ kind: "snoozed", delayMs: outcome.delayMs });
  } else {
    changes.push({ kind: "readied", why: "released" });
  }
  if (transition.kind === "removed") changes.push({ kind: "removed" });
  return changes;
}
