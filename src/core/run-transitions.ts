// The life of a workflow run as pure functions, beside that of any job: advanced, parked, and woken.
import type { JobRecord } from "./job.ts";
import type { Advance, AdvanceOutcome } from "./run.ts";
import { isRun } from "./run.ts";
import type { StorePolicy, Transition } from "./transitions.ts";
import { isHeld, settle } from "./transitions.ts";

/** What an advance makes of a run. `again`: it was kept before, and nothing changes. */
export type AdvanceTransition = Transition | { readonly kind: "again" };

/**
 * A run's owner says how far it is. `facts` is how many the store keeps for it.
 */
export function advance(
  job: JobRecord,
  { token, from, entries, next }: Pick<Advance, "token" | "from" | "entries" | "next">,
  facts: number,
  policy: StorePolicy,
  nowMs: number,
): AdvanceTransition {
  if (!isHeld(job, token)) return { kind: "rejected", why: "stale" };
  const kept = job.entries ?? 0;
  const isGoingOn = next.kind === "running" || next.kind === "waiting";
  if (isGoingOn && entries.length > 0 && kept === from + entries.length) return { kind: "again" };
  // Who gives a run back without a word need not know how far it was.
  const isLetGo = next.kind === "release" && entries.length === 0;
  if (kept !== from && !isLetGo) return { kind: "rejected", why: "stale" };
  const advanced: JobRecord = {
    ...job,
    // A run that has begun is worth ending, however late it is.
    expiresAtMs: null,
    ...(kept + entries.length > 0 ? { entries: kept + entries.length } : {}),
  };
  if (next.kind === "parked") return park({ ...advanced, token: null }, next, facts, nowMs);
  if (next.kind !== "running" && next.kind !== "waiting") {
    return settle(advanced, token, next, policy, nowMs);
  }
  return { kind: "changed", job: { ...advanced, state: next.kind } };
}

function park(
  job: JobRecord,
  { delayMs, facts: known }: Extract<AdvanceOutcome, { kind: "parked" }>,
  facts: number,
  nowMs: number,
): Transition {
  if (facts > known || job.cancelRequest !== null) return ready(job, nowMs);
  if (delayMs === null) return { kind: "changed", job: { ...job, state: "waiting" } };
  if (delayMs <= 0) return ready(job, nowMs);
  return { kind: "changed", job: { ...job, state: "scheduled", dueAtMs: nowMs + delayMs } };
}

/** Whether a run is out of memory, until its time has come or it is told something. */
export function isParked(job: JobRecord): boolean {
  return isRun(job) && job.token === null && (job.state === "waiting" || job.state === "scheduled");
}

/** A run was told something: one that is parked is ready. */
export function wake(job: JobRecord, nowMs: number): Transition {
  if (!isParked(job)) return { kind: "rejected", why: "wrong-state" };
  return ready(job, nowMs);
}

function ready(job: JobRecord, nowMs: number): Transition {
  return { kind: "changed", job: { ...job, state: "ready", dueAtMs: nowMs } };
}
