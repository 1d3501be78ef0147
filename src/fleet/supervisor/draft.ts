// A decision in the making, and the moves of one member that decisions are made of.
import type { FleetPolicy } from "./policy.ts";
import { isRunning } from "./state.ts";
import type {
  AfterStop,
  Decision,
  FleetChange,
  FleetEffect,
  FleetState,
  Member,
  MemberPhase,
} from "./state.ts";

/** State that one decision changes, with what it will order. */
export interface Draft {
  readonly members: Map<number, Member>;
  isStopping: boolean;
  rolling: readonly number[];
  readonly effects: FleetEffect[];
  readonly policy: FleetPolicy;
  readonly nowMs: number;
  readonly random: () => number;
}

export function openDraft(
  state: FleetState,
  policy: FleetPolicy,
  nowMs: number,
  random: () => number,
): Draft {
  const members = new Map(state.members.map((member) => [member.id, member]));
  const { isStopping, rolling } = state;
  return { members, isStopping, rolling, effects: [], policy, nowMs, random };
}

export function closeDraft(draft: Draft): Decision {
  const { isStopping, rolling, effects } = draft;
  return { state: { members: [...draft.members.values()], isStopping, rolling }, effects };
}

export function tell(draft: Draft, event: FleetChange): void {
  draft.effects.push({ type: "tell", event });
}

/** Changes a member and gives it back as it is now. */
export function change(draft: Draft, member: Member, fields: Partial<Member>): Member {
  const changed = { ...member, ...fields };
  draft.members.set(member.id, changed);
  return changed;
}

/** Puts a member into a phase without a process. */
function settle(draft: Draft, member: Member, phase: MemberPhase): Member {
  return change(draft, member, {
    phase,
    pid: undefined,
    port: undefined,
    readyAtMs: undefined,
    dueAtMs: undefined,
    checkDueAtMs: undefined,
    failedChecks: 0,
    queuedAtMs: draft.nowMs,
  });
}

/** Ends a member's process, or what it was waiting for. */
export function end(draft: Draft, member: Member, afterStop: AfterStop, isKilled = false): void {
  if (!isRunning(member)) {
    afterEnd(draft, member, afterStop, "");
    return;
  }
  const { id, start, phase } = member;
  if (phase === "stopping") {
    change(draft, member, { afterStop });
    return;
  }
  // What was killed has no grace left to end.
  const dueAtMs = isKilled ? undefined : draft.nowMs + draft.policy.stopGraceMs;
  change(draft, member, { phase: "stopping", afterStop, dueAtMs, checkDueAtMs: undefined });
  draft.effects.push({ type: "signal", id, start, signal: isKilled ? "SIGKILL" : "SIGTERM" });
  tell(draft, { type: "stopping", member: id, start });
}

/** What becomes of a member that has ended as it was told to. */
export function afterEnd(draft: Draft, member: Member, afterStop: AfterStop, reason: string): void {
  const { id, start } = member;
  switch (afterStop) {
    case "restart":
      requeue(draft, member);
      break;
    case "failed":
      afterFailure(draft, member, reason);
      break;
    case "degrade":
      degrade(draft, member, reason);
      break;
    case "stay":
      settle(draft, member, "stopped");
      tell(draft, { type: "stopped", member: id, start });
      break;
    case "remove":
      draft.members.delete(id);
      tell(draft, { type: "removed", member: id, start });
      break;
  }
}

/** Starts a member anew because its owner wants it so: nothing is held against it. */
export function requeue(draft: Draft, member: Member): void {
  const restarts = member.restarts + (member.start > 0 ? 1 : 0);
  settle(draft, change(draft, member, { failures: 0, restarts }), "queued");
}

/** Restarts a member that failed: at once if it had progressed, else after a pause, and not for ever. */
export function afterFailure(draft: Draft, member: Member, reason: string): void {
  const { policy, nowMs } = draft;
  const wasStable =
    member.readyAtMs !== undefined && nowMs - member.readyAtMs >= policy.stableAfterMs;
  const failures = member.hasProgressed || wasStable ? 0 : member.failures + 1;
  const counted = change(draft, member, { failures });
  if (failures > policy.restartLimit) {
    degrade(draft, counted, reason);
    return;
  }
  const pauseMs = failures === 0 ? 0 : backoffMs(policy, failures, draft.random());
  const waiting = settle(draft, counted, pauseMs === 0 ? "queued" : "pausing");
  const dueAtMs = pauseMs === 0 ? undefined : nowMs + pauseMs;
  change(draft, waiting, { dueAtMs, restarts: member.restarts + 1 });
  tell(draft, { type: "restarting", member: member.id, start: member.start, pauseMs });
}

/** Half of each pause is random, so that members that fail together do not start together. */
function backoffMs(policy: FleetPolicy, failures: number, random: number): number {
  const wholeMs = Math.min(policy.backoffMaxMs, policy.backoffInitialMs * 2 ** (failures - 1));
  return Math.round(wholeMs * (0.5 + random / 2));
}

function degrade(draft: Draft, member: Member, reason: string): void {
  settle(draft, member, "degraded");
  const { id, start, failures } = member;
  tell(draft, { type: "degraded", member: id, start, reason, failures });
  if (draft.rolling[0] === id) {
    draft.rolling = [];
    tell(draft, { type: "roll-halted", member: id, reason });
  }
}
