// What people do to jobs: cancel, retry, remove. Rare, so decided by the pure transitions, record by record.
import type { CancelJobs, ChangeReply } from "../../core/store.ts";
import { isTerminal } from "../../core/job.ts";
import type { JobId } from "../../core/ids.ts";
import {
  type Transition,
  cancel as decideCancel,
  remove as decideRemove,
  retryByHand,
} from "../../core/transitions.ts";
import { type Context, emit, policyOf } from "./context.ts";
import { type StoredJob, readJob } from "./rows.ts";
import { applyTransition, emitCancelled } from "./settle.ts";

/** Cancels jobs that wait, and asks those that run. */
export function cancel(context: Context, { ids, reason }: CancelJobs): ChangeReply[] {
  return ids.map((id) =>
    change(context, id, (job) => {
      const policy = policyOf(context, job.record.type, job.retention);
      const transition = decideCancel(job.record, reason, policy, context.nowMs);
      if (transition.kind === "rejected") return { transition, tell: () => undefined };
      if (transition.kind === "changed" && !isTerminal(transition.job.state)) {
        if (transition.job.token !== null) context.effects.hasCancels = true;
        return { transition, tell: () => undefined };
      }
      return {
        transition,
        endState: "cancelled",
        tell: () => {
          emitCancelled(context, job, reason);
          if (transition.kind === "removed") emit(context, job.lane, id, { kind: "removed" });
        },
      };
    }),
  );
}

/** Makes failed and cancelled jobs ready again. */
export function retry(context: Context, ids: readonly JobId[]): ChangeReply[] {
  return ids.map((id) =>
    change(context, id, (job) => ({
      transition: retryByHand(job.record, context.nowMs),
      tell: () => emit(context, job.lane, id, { kind: "readied", why: "asked" }),
    })),
  );
}

/** Removes jobs that do not run. */
export function remove(context: Context, ids: readonly JobId[]): ChangeReply[] {
  return ids.map((id) =>
    change(context, id, (job) => ({
      transition: decideRemove(job.record),
      tell: () => emit(context, job.lane, id, { kind: "removed" }),
    })),
  );
}

interface Change {
  readonly transition: Transition;
  /** State to answer with where the record is removed at once. */
  readonly endState?: "cancelled";
  readonly tell: () => void;
}

function change(context: Context, id: JobId, decide: (job: StoredJob) => Change): ChangeReply {
  const job = readJob(context, id);
  if (job === null) return { changed: false, state: null };
  const { transition, endState, tell } = decide(job);
  if (transition.kind === "rejected") return { changed: false, state: job.record.state };
  applyTransition(context, job, job, transition);
  tell();
  const state =
    transition.kind === "changed" ? transition.job.state : (endState ?? job.record.state);
  return { changed: true, state };
}
