// The supervisor's decisions: state, input, time and chance in; new state and effects out. No I/O.
import {
  afterEnd,
  afterFailure,
  change,
  closeDraft,
  end,
  openDraft,
  requeue,
  tell,
} from "./draft.ts";
import type { Draft } from "./draft.ts";
import type { FleetPolicy } from "./policy.ts";
import { isRunning, newMember } from "./state.ts";
import type { Decision, FleetInput, FleetState, Member } from "./state.ts";

/**
 * Decides.
 *
 * @param nowMs monotonic
 * @param random from 0 to below 1
 */
export function decide(
  state: FleetState,
  input: FleetInput,
  policy: FleetPolicy,
  nowMs: number,
  random: () => number,
): Decision {
  const draft = openDraft(state, policy, nowMs, random);
  hear(draft, input);
  for (const member of draft.members.values()) comeDue(draft, member);
  rollOn(draft);
  startQueued(draft);
  return closeDraft(draft);
}

/** When a `tick` is due after the decision of `nowMs`, although nothing was heard; undefined when never. */
export function nextTickAtMs(
  state: FleetState,
  policy: FleetPolicy,
  nowMs: number,
): number | undefined {
  const times: number[] = [];
  const isWaiting = state.members.some((member) => member.phase === "queued");
  for (const member of state.members) {
    if (member.dueAtMs !== undefined) times.push(member.dueAtMs);
    if (member.checkDueAtMs !== undefined) times.push(member.checkDueAtMs);
    if (isWaiting && member.phase === "starting") {
      times.push(member.startedAtMs + policy.startSlotMs);
    }
  }
  const later = times.filter((timeMs) => timeMs > nowMs);
  return later.length === 0 ? undefined : Math.min(...later);
}

function hear(draft: Draft, input: FleetInput): void {
  switch (input.type) {
    case "resize":
      resize(draft, input.size);
      break;
    case "restart":
      for (const id of input.ids) restart(draft, draft.members.get(id));
      break;
    case "roll":
      if (draft.rolling.length === 0 && !draft.isStopping) roll(draft);
      break;
    case "stop":
      draft.isStopping = true;
      draft.rolling = [];
      for (const member of draft.members.values()) {
        if (member.phase !== "stopped") end(draft, member, "stay");
      }
      break;
    case "tick":
      break;
    case "spawned":
    case "ready":
    case "exited":
    case "progressed":
    case "failed":
    case "checked":
      hearMember(draft, input);
      break;
  }
}

type MemberInput = Extract<FleetInput, { readonly id: number }>;

function hearMember(draft: Draft, input: MemberInput): void {
  const member = draft.members.get(input.id);
  // What an earlier process of this member said, or was said of it, comes too late.
  if (member === undefined || member.start !== input.start || !isRunning(member)) return;
  switch (input.type) {
    case "spawned":
      spawned(draft, member, input.pid, input.port);
      break;
    case "ready":
      if (member.phase === "starting") becomeReady(draft, member);
      break;
    case "progressed":
      change(draft, member, { hasProgressed: true, failures: 0 });
      break;
    case "failed":
      if (member.phase !== "stopping") fail(draft, member, input.reason);
      break;
    case "checked":
      if (member.phase === "ready") hearCheck(draft, member, input.isHealthy);
      break;
    case "exited":
      exited(draft, member, input.reason);
      break;
  }
}

function spawned(draft: Draft, member: Member, pid: number, port: number): void {
  change(draft, member, { pid, port });
  tell(draft, { type: "started", member: member.id, start: member.start, pid, port });
}

function becomeReady(draft: Draft, member: Member): void {
  const { nowMs, policy } = draft;
  const { id, start } = member;
  const checkDueAtMs =
    policy.healthEveryMs === undefined ? undefined : nowMs + policy.healthEveryMs;
  change(draft, member, { phase: "ready", readyAtMs: nowMs, dueAtMs: undefined, checkDueAtMs });
  tell(draft, { type: "ready", member: id, start });
}

function hearCheck(draft: Draft, member: Member, isHealthy: boolean): void {
  const failedChecks = isHealthy ? 0 : member.failedChecks + 1;
  if (failedChecks >= draft.policy.healthFailures) {
    fail(draft, member, `failed ${failedChecks} health checks in a row`);
    return;
  }
  const checkDueAtMs = draft.nowMs + (draft.policy.healthEveryMs ?? 0);
  change(draft, member, { failedChecks, checkDueAtMs });
}

/** No grace: it does not do what it is there for, and its successor waits for its place. */
function fail(draft: Draft, member: Member, reason: string): void {
  const { id, start } = member;
  tell(draft, { type: "failed", member: id, start, reason });
  end(draft, change(draft, member, { crashes: member.crashes + 1 }), "failed", true);
  restartOthers(draft, member);
}

function exited(draft: Draft, member: Member, reason: string): void {
  if (member.phase === "stopping") {
    afterEnd(draft, member, member.afterStop, reason);
    return;
  }
  const { id, start } = member;
  tell(draft, { type: "crashed", member: id, start, reason });
  afterFailure(draft, change(draft, member, { crashes: member.crashes + 1 }), reason);
  restartOthers(draft, member);
}

function restartOthers(draft: Draft, failed: Member): void {
  if (!draft.policy.isOneForAll) return;
  const isLost = draft.members.get(failed.id)?.phase === "degraded";
  for (const other of draft.members.values()) {
    if (other.id === failed.id || !isRunning(other) || other.phase === "stopping") continue;
    end(draft, other, isLost ? "degrade" : "restart");
  }
}

function resize(draft: Draft, size: number): void {
  if (draft.isStopping) return;
  const staying = [...draft.members.values()].filter(
    (member) => member.phase !== "stopping" || member.afterStop !== "remove",
  );
  for (let missing = size - staying.length, id = 1; missing > 0; id++) {
    if (draft.members.has(id)) continue;
    draft.members.set(id, newMember(id, draft.nowMs));
    missing--;
  }
  const leaving = staying.sort((one, other) => other.id - one.id);
  for (const member of leaving.slice(0, Math.max(0, staying.length - size))) {
    end(draft, member, "remove");
  }
  tell(draft, { type: "resized", size });
}

function restart(draft: Draft, member: Member | undefined): void {
  if (draft.isStopping || member === undefined) return;
  if (isRunning(member)) end(draft, member, "restart");
  else requeue(draft, member);
}

function roll(draft: Draft): void {
  if (draft.members.size === 0) tell(draft, { type: "rolled" });
  draft.rolling = [...draft.members.keys()].sort((one, other) => one - other);
  restart(draft, draft.members.get(draft.rolling[0] ?? 0));
}

/** Goes on to the next member when the one under way is ready again, or is there no more. */
function rollOn(draft: Draft): void {
  while (draft.rolling.length > 0) {
    const current = draft.members.get(draft.rolling[0] ?? 0);
    if (current !== undefined && current.phase !== "ready") return;
    draft.rolling = draft.rolling.slice(1);
    restart(draft, draft.members.get(draft.rolling[0] ?? 0));
    if (draft.rolling.length === 0) tell(draft, { type: "rolled" });
  }
}

function comeDue(draft: Draft, member: Member): void {
  const { nowMs } = draft;
  const { id, start, phase } = member;
  if (member.checkDueAtMs !== undefined && member.checkDueAtMs <= nowMs) {
    change(draft, member, { checkDueAtMs: undefined });
    draft.effects.push({ type: "check", id, start });
  }
  if (member.dueAtMs === undefined || member.dueAtMs > nowMs) return;
  const due = change(draft, member, { dueAtMs: undefined });
  if (phase === "pausing") change(draft, due, { phase: "queued", queuedAtMs: nowMs });
  if (phase === "starting") fail(draft, due, `not ready within ${draft.policy.readyWithinMs} ms`);
  if (phase === "stopping") draft.effects.push({ type: "signal", id, start, signal: "SIGKILL" });
}

function startQueued(draft: Draft): void {
  const { policy, nowMs } = draft;
  const members = [...draft.members.values()];
  // One for all: they may share something, so none starts while another is still to end.
  if (draft.isStopping) return;
  if (policy.isOneForAll && members.some((member) => member.phase === "stopping")) return;
  const starting = members.filter(
    (member) => member.phase === "starting" && nowMs - member.startedAtMs < policy.startSlotMs,
  );
  const queued = members
    .filter((member) => member.phase === "queued")
    .sort((one, other) => one.queuedAtMs - other.queuedAtMs || one.id - other.id);
  const room = Math.max(0, policy.startingAtOnce - starting.length);
  for (const member of queued.slice(0, room)) {
    const { id } = member;
    const start = member.start + 1;
    const dueAtMs = nowMs + policy.readyWithinMs;
    const fresh = { start, startedAtMs: nowMs, dueAtMs, hasProgressed: false };
    change(draft, member, { phase: "starting", ...fresh });
    draft.effects.push({ type: "spawn", id, start });
    tell(draft, { type: "starting", member: id, start });
  }
}
