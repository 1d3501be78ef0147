// What a supervisor knows, hears, orders and tells: the vocabulary of its decisions.

/**
 * Where a member is. `queued` waits for room to start, `pausing` for the end of its backoff;
 * `starting` runs but is not ready; `stopping` was told to end; `degraded` failed too often and
 * is left alone until it is restarted by hand.
 */
export type MemberPhase =
  | "queued"
  | "pausing"
  | "starting"
  | "ready"
  | "stopping"
  | "degraded"
  | "stopped";

/** What follows when a member that was told to end has ended. */
export type AfterStop = "restart" | "failed" | "degrade" | "stay" | "remove";

/** One member. Times are of the monotonic clock that the reducer is given. */
export interface Member {
  readonly id: number;
  readonly phase: MemberPhase;
  /** Which start this is; 0 before the first one. What is heard of an earlier start is ignored. */
  readonly start: number;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  /** Order of waiting for a start. */
  readonly queuedAtMs: number;
  readonly startedAtMs: number;
  readonly readyAtMs: number | undefined;
  /** When its phase asks for a decision by itself: the end of a pause, of the time to be ready, of the grace. */
  readonly dueAtMs: number | undefined;
  readonly checkDueAtMs: number | undefined;
  readonly failedChecks: number;
  readonly afterStop: AfterStop;
  readonly hasProgressed: boolean;
  /** Failures in a row without progress. */
  readonly failures: number;
  /** Ends that nobody asked for, in all. */
  readonly crashes: number;
  readonly restarts: number;
}

/** The whole fleet. */
export interface FleetState {
  readonly members: readonly Member[];
  readonly isStopping: boolean;
  /** Members still to be restarted one after the other, the first of them being under way. */
  readonly rolling: readonly number[];
}

/** What is heard. */
export type FleetInput =
  | { readonly type: "resize"; readonly size: number }
  | {
      readonly type: "spawned";
      readonly id: number;
      readonly start: number;
      readonly pid: number;
      readonly port: number;
    }
  | { readonly type: "ready"; readonly id: number; readonly start: number }
  | {
      readonly type: "exited";
      readonly id: number;
      readonly start: number;
      readonly reason: string;
    }
  | { readonly type: "progressed"; readonly id: number; readonly start: number }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly start: number;
      readonly reason: string;
    }
  | {
      readonly type: "checked";
      readonly id: number;
      readonly start: number;
      readonly isHealthy: boolean;
    }
  | { readonly type: "restart"; readonly ids: readonly number[] }
  | { readonly type: "roll" }
  | { readonly type: "stop" }
  | { readonly type: "tick" };

/** What is to be done about it. */
export type FleetEffect =
  | { readonly type: "spawn"; readonly id: number; readonly start: number }
  | {
      readonly type: "signal";
      readonly id: number;
      readonly start: number;
      readonly signal: "SIGTERM" | "SIGKILL";
    }
  | { readonly type: "check"; readonly id: number; readonly start: number }
  | { readonly type: "tell"; readonly event: FleetChange };

/** A change that is told. `reason` says why in words. */
export type FleetChange =
  | MemberChange<"starting" | "ready" | "stopping" | "stopped" | "removed">
  | (MemberChange<"started"> & { readonly pid: number; readonly port: number })
  | (MemberChange<"crashed" | "failed"> & { readonly reason: string })
  | (MemberChange<"restarting"> & { readonly pauseMs: number })
  | (MemberChange<"degraded"> & { readonly reason: string; readonly failures: number })
  | { readonly type: "resized"; readonly size: number }
  | { readonly type: "rolled" }
  | { readonly type: "roll-halted"; readonly member: number; readonly reason: string };

interface MemberChange<Type extends string> {
  readonly type: Type;
  readonly member: number;
  readonly start: number;
}

/** A decision: the new state and what to do, in order. */
export interface Decision {
  readonly state: FleetState;
  readonly effects: readonly FleetEffect[];
}

/** A fleet before its first member. */
export const EMPTY_FLEET: FleetState = { members: [], isStopping: false, rolling: [] };

/** A member that waits for its first start. */
export function newMember(id: number, nowMs: number): Member {
  return {
    id,
    phase: "queued",
    start: 0,
    pid: undefined,
    port: undefined,
    queuedAtMs: nowMs,
    startedAtMs: nowMs,
    readyAtMs: undefined,
    dueAtMs: undefined,
    checkDueAtMs: undefined,
    failedChecks: 0,
    afterStop: "stay",
    hasProgressed: false,
    failures: 0,
    crashes: 0,
    restarts: 0,
  };
}

/** Whether the member has a process. */
export function isRunning(member: Member): boolean {
  return member.phase === "starting" || member.phase === "ready" || member.phase === "stopping";
}
