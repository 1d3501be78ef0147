// What a collection says of itself: how far, how fast, by whom, and how near to the best possible.
import type { MemberPhase } from "../supervisor/state.ts";
import { idealTimeMs, measuredPaceMs } from "./ideal.ts";
import type { Life } from "./ideal.ts";

/** How a collection stands. `late` is complete, but not within the time that was wanted. */
export type CollectOutcome = "running" | "complete" | "late" | "incomplete";

/** One member's part. */
export interface MemberReport {
  readonly id: number;
  readonly phase: MemberPhase;
  readonly samples: number;
  readonly crashes: number;
  readonly restarts: number;
  /** Times that it owed a sample for too long, or sent too much that was none. */
  readonly stalls: number;
}

/** The figures of a collection. Times in milliseconds from the first spawn. */
export interface CollectReport {
  readonly outcome: CollectOutcome;
  /** Why it is incomplete. */
  readonly problem: string | undefined;
  readonly count: number;
  readonly wanted: number;
  readonly elapsedMs: number;
  readonly withinMs: number | undefined;
  readonly timeToFirstSampleMs: number | undefined;
  /** When so many samples could have been there at best: each member at its pace from the moment it was ready for as long as it lived. */
  readonly idealMs: number | undefined;
  /** `elapsedMs` beside the ideal: 0.02 is 2% longer. */
  readonly overIdeal: number | undefined;
  /** Time from one sample of a member to its next, as said or measured. */
  readonly paceMs: number | undefined;
  readonly crashes: number;
  readonly restarts: number;
  readonly stalls: number;
  /** Lines that were no samples. */
  readonly garbageLines: number;
  /** Lines over the bound. */
  readonly tooLongLines: number;
  readonly members: readonly MemberReport[];
}

/** The figures and the samples, in the order in which they came. */
export interface CollectResult<Sample> extends CollectReport {
  readonly values: readonly Sample[];
}

interface Tally {
  readonly settings: {
    readonly samples: number;
    readonly withinMs: number | undefined;
    readonly paceMs: number | undefined;
  };
  readonly count: number;
  readonly elapsedMs: number;
  readonly firstSampleAtMs: number | undefined;
  readonly problem: string | undefined;
  readonly members: readonly MemberReport[];
  readonly lives: readonly Life[];
  readonly sources: readonly {
    readonly gapsMs: readonly number[];
    readonly garbageLines: number;
    readonly tooLongLines: number;
  }[];
}

export function makeReport(tally: Tally): CollectReport {
  const { settings, count, elapsedMs, members, lives, sources } = tally;
  const paceMs = settings.paceMs ?? measuredPaceMs(sources.flatMap((source) => source.gapsMs));
  const idealMs = paceMs === undefined ? undefined : idealTimeMs(lives, settings.samples, paceMs);
  return {
    outcome: outcomeOf(tally),
    problem: tally.problem,
    count,
    wanted: settings.samples,
    elapsedMs,
    withinMs: settings.withinMs,
    timeToFirstSampleMs: tally.firstSampleAtMs,
    idealMs,
    overIdeal: idealMs === undefined || idealMs === 0 ? undefined : elapsedMs / idealMs - 1,
    paceMs,
    crashes: sum(members.map((member) => member.crashes)),
    restarts: sum(members.map((member) => member.restarts)),
    stalls: sum(members.map((member) => member.stalls)),
    garbageLines: sum(sources.map((source) => source.garbageLines)),
    tooLongLines: sum(sources.map((source) => source.tooLongLines)),
    members,
  };
}

function outcomeOf({ settings, count, elapsedMs, problem }: Tally): CollectOutcome {
  if (problem !== undefined) return "incomplete";
  if (count < settings.samples) return "running";
  return elapsedMs <= (settings.withinMs ?? Number.POSITIVE_INFINITY) ? "complete" : "late";
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
