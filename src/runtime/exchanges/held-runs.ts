// The workflow runs in a worker's memory: their words on the way to the store, and what they are told.
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { isTerminal } from "../../core/job.ts";
import { SlidingMap } from "../../core/sliding-map.ts";
import type { Advance, AdvanceOutcome, AdvanceReply, ChildJob, RunNews } from "../../core/run.ts";
import type { ClaimedJob, SettleOutcome } from "../../core/store.ts";
import { claimOf, endingOf, lengthOf } from "../worker/children.ts";
import { EarlyNews } from "./early-news.ts";
import { END_LINES, sayOfJob } from "../worker/job-lines.ts";
import { type Logger, isEnabled } from "../logging/logger.ts";
import type { Reporter } from "../worker/reporter.ts";
import type { QuickEnded } from "../quick-steps/quick-steps.ts";
import { Owner, type OwnerParts } from "./run-owner.ts";
import type { HeldRun, RunDriver, RunWord } from "./runs.ts";

/** Most runs in one worker's memory. Beyond it those that only wait are put out of memory, so that others are claimed. */
const MAX_HELD_RUNS = 1_000;
/** Most words of runs in one exchange: bounds the message and the time of the transaction. */
const MAX_WORDS = 500;
/** A run that has only waited for so long gives its place to others where the memory is full. */
const LEAST_IDLE_MS = 500;
/** Share of the memory beyond which room is made. */
const CROWDED = 0.9;

/**
 * Runs that are at work at once, as a multiple of the worker's slots: enough to keep them full. More would only queue
 * steps behind each other: with a backlog of 1,100 runs of two steps claimed at once 190 runs/s ended. And beyond one a
 * slot only as far as slots are free: a step that finds none is not handed over with its run's word, but enqueued,
 * claimed and begun like any other (a tenth more of the store's statements where a third of the steps fared so).
 */
const RUNS_A_SLOT = 2;
/** A worker that holds back looks again so often: by then runs that only wait have given their places. */
export const HELD_BACK_LOOK_MS: number = LEAST_IDLE_MS;

/** What the runs need of their worker. */
export interface HeldRunsParts extends OwnerParts {
  readonly driver: RunDriver | undefined;
  readonly logger: Logger;
  readonly reporter: Pick<Reporter, "log" | "progress" | "take">;
  /** There is something to say. */
  readonly wake: () => void;
  /** A run ended, and the store took its word. */
  readonly onEnded: (claimed: ClaimedJob, outcome: SettleOutcome, runMs: number) => void;
  /** Gives back a claim that nobody here will make use of. */
  readonly giveBack: (claimed: ClaimedJob) => void;
  /** A run has left the memory. */
  readonly onLeft: (type: string) => void;
}

/** A run that is held. */
class Entry {
  readonly claimed: ClaimedJob;
  readonly type: AnyJobType;
  readonly owner: Owner;
  readonly held: HeldRun;
  readonly startedMs: number = performance.now();

  constructor(claimed: ClaimedJob, type: AnyJobType, owner: Owner, held: HeldRun) {
    this.claimed = claimed;
    this.type = type;
    this.owner = owner;
    this.held = held;
  }
}

/** A word on its way. */
export class Said {
  readonly entry: Entry;
  readonly word: RunWord;
  readonly resolve: (reply: AdvanceReply) => void;
  /** Quick steps that it tells the ends of. */
  readonly quick: readonly QuickEnded[];
  /** Children that had ended here when it was said, and of which the store had not heard: it may stand on them. */
  readonly #after: readonly JobId[];

  constructor(
    entry: Entry,
    word: RunWord,
    quick: readonly QuickEnded[],
    resolve: (reply: AdvanceReply) => void,
  ) {
    this.entry = entry;
    this.word = word;
    this.quick = quick;
    this.resolve = resolve;
    const { ended } = entry.owner;
    this.#after = ended.size === 0 ? NOBODY : [...ended];
  }

  /** What it stands on that the store has not confirmed. */
  get after(): readonly JobId[] {
    const { ended } = this.entry.owner;
    return ended.size === 0 ? NOBODY : this.#after.filter((id) => ended.has(id));
  }
}

/** A word with what is sent of it. */
export interface Sent {
  readonly said: Said;
  readonly advance: Advance;
}

/** Reserves a slot for a child, where its worker serves the type and has one: gives the token, or null. */
export type Reserve = (child: ChildJob) => string | null;

/** The runs of one worker. */
export class HeldRuns {
  readonly #parts: HeldRunsParts;
  readonly #runs = new SlidingMap<JobId, Entry>();
  readonly #early = new EarlyNews();
  #words: Said[] = [];

  constructor(parts: HeldRunsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#runs.size;
  }

  /** How many words wait for an exchange. */
  get words(): number {
    return this.#words.length;
  }

  countOf(type: string): number {
    let count = 0;
    for (const entry of this.#runs.values()) if (entry.type.name === type) count += 1;
    return count;
  }

  /** Takes over a run that was claimed. */
  begin(claimed: ClaimedJob, type: AnyJobType): void {
    const { driver } = this.#parts;
    if (driver === undefined) {
      throw new MillraceError("LAUNCH_FAILED", { message: `nothing here drives ${type.name}` });
    }
    const owner = new Owner(claimed, this.#parts, (word) => this.#say(claimed.id, owner, word));
    const wasTold = this.#early.take(claimed.id);
    const held = driver.begin(wasTold ? { ...claimed, resumes: true } : claimed, type, owner);
    const entry = new Entry(claimed, type, owner, held);
    this.#runs.set(claimed.id, entry);
    this.#sayBegun(entry);
  }

  #say(id: JobId, owner: Owner, word: RunWord): Promise<AdvanceReply> {
    return new Promise((resolve) => {
      const entry = this.#runs.get(id);
      if (entry?.owner !== owner) {
        resolve({ accepted: false, why: "stale" });
        return;
      }
      this.#words.push(new Said(entry, word, this.#parts.quick.takeEnded(owner), resolve));
      this.#parts.wake();
    });
  }

  #sayBegun({ claimed, type }: Entry): void {
    const isDetailed = isEnabled(this.#parts.logger, "debug");
    const input = isDetailed ? { input: type.redact(JSON.parse(claimed.input)) } : {};
    const message = claimed.resumes === true ? "run taken up" : "job started";
    sayOfJob(this.#parts, claimed, ["info", message], input);
  }

  /** The last word of a run was taken: it ended, was given back, or is put out of memory. */
  #sayLeft({ claimed, startedMs }: Entry, next: AdvanceOutcome): void {
    const line =
      next.kind === "parked" || next.kind === "running" || next.kind === "waiting"
        ? PARKED_LINE
        : END_LINES[next.kind];
    if (!isEnabled(this.#parts.logger, line[0])) return;
    const durationMs = Math.round(performance.now() - startedMs);
    const error = "error" in next ? { error: next.error } : {};
    sayOfJob(this.#parts, claimed, line, { durationMs, ...error });
  }

  news(news: readonly RunNews[]): void {
    for (const { run, fact } of news) {
      const entry = this.#runs.get(run);
      if (entry === undefined) this.#early.note(run);
      else entry.held.told(fact);
    }
  }

  /** Whether the job is a run of this worker: it was asked to cancel. */
  cancel(id: JobId, reason: string): boolean {
    const entry = this.#runs.get(id);
    entry?.held.cancel(reason);
    return entry !== undefined;
  }

  /** A try of this worker ended for good: where it is a child of a run here, the run goes on at once. */
  childEnded(claimed: ClaimedJob, outcome: SettleOutcome, worker: string): void {
    const entry = claimed.parent === undefined ? undefined : this.#runs.get(claimed.parent);
    if (entry === undefined || !isTerminal(outcome.kind as never)) return;
    entry.owner.ended.add(claimed.id);
    entry.held.childEnded(claimed.id, endingOf(claimed, outcome, worker), lengthOf(outcome));
  }

  /** A child ended here, and the store has it. */
  #tell(claimed: ClaimedJob, outcome: SettleOutcome): void {
    const parent = claimed.parent === undefined ? undefined : this.#runs.get(claimed.parent);
    const ending = endingOf(claimed, outcome, this.#parts.workerId());
    parent?.held.childEnded(claimed.id, ending, lengthOf(outcome));
  }

  /**
   * The store answered the settlement of a child. It does not tell a run's own worker of it: where the run was taken up
   * here after the child had ended, its record may have been read before the store had the end.
   */
  childSettled(claimed: ClaimedJob, outcome: SettleOutcome, isAccepted: boolean): void {
    const entry = claimed.parent === undefined ? undefined : this.#runs.get(claimed.parent);
    if (entry === undefined) return;
    const wasTold = entry.owner.ended.delete(claimed.id);
    // What the run was told is not so: it goes on from its record, wherever it is claimed next.
    if (wasTold && !isAccepted) this.#giveBack(entry);
    if (!wasTold && isAccepted && isTerminal(outcome.kind as never)) this.#tell(claimed, outcome);
  }

  /** At most so many words for the next exchange, with the tokens of children that are to be handed over. */
  take(
    most: number,
    settlements: readonly { readonly claimed: ClaimedJob }[],
    reserve: Reserve,
  ): readonly Sent[] {
    if (this.#words.length === 0) return NOTHING;
    let settles: ReadonlySet<JobId> | undefined;
    const isSettled = (id: JobId): boolean => {
      settles ??= new Set(settlements.map(({ claimed }) => claimed.id));
      return settles.has(id);
    };
    const taken: Sent[] = [];
    const left: Said[] = [];
    for (const said of this.#words) {
      const { after } = said;
      const fits = taken.length < Math.min(most, MAX_WORDS) && after.every(isSettled);
      if (fits) taken.push({ said, advance: toAdvance(said, after, reserve) });
      else left.push(said);
    }
    this.#words = left;
    return taken;
  }

  /**
   * The exchange failed: the words go with the next one. Whether children were handed over is not known, so they are
   * given back.
   */
  putBack(taken: readonly Sent[]): void {
    this.#words = [...taken.map(({ said }) => said), ...this.#words];
    for (const { advance } of taken) {
      for (const child of advance.children ?? []) {
        if (child.token === undefined || child.isBegun === true) continue;
        this.#parts.giveBack(claimOf(child, child.token, advance.id, 0));
      }
    }
  }

  /** The store's answer to one word. */
  answered({ said: { entry, word, quick, resolve } }: Sent, reply: AdvanceReply): void {
    this.#parts.quick.recorded(quick, reply.accepted);
    const isLast = word.next.kind !== "running" && word.next.kind !== "waiting";
    if (!reply.accepted && reply.why !== "refused") {
      // Refused again where the claim is void; where it stands, nobody else would ever take the run.
      this.#parts.giveBack(entry.claimed);
      this.#forget(entry);
    }
    if (reply.accepted && isLast) {
      this.#sayLeft(entry, word.next);
      this.#forget(entry);
      if (word.next.kind !== "parked" && word.next.kind !== "release") {
        this.#tell(entry.claimed, word.next);
        this.#parts.onEnded(entry.claimed, word.next, performance.now() - entry.startedMs);
      }
    }
    resolve(reply);
  }

  /**
   * Runs that may be claimed now by a worker with so many slots, of which so many are free; `isHeldBack`: later it may be
   * more.
   */
  room(
    slots: number,
    free: number,
    nowMs: number,
  ): { readonly room: number; readonly isHeldBack: boolean } {
    let atWork = 0;
    for (const { held } of this.#runs.values()) {
      const { idleSinceMs } = held;
      if (idleSinceMs === null || nowMs - idleSinceMs < LEAST_IDLE_MS) atWork += 1;
    }
    const inMemory = MAX_HELD_RUNS - this.#runs.size;
    const wanted = Math.max(slots - atWork, free);
    const atOnce = Math.max(0, Math.min(slots * RUNS_A_SLOT - atWork, wanted));
    return { room: Math.min(inMemory, atOnce), isHeldBack: atOnce < inMemory };
  }

  /** Where the memory is crowded, runs that only wait make room. */
  makeRoom(nowMs: number): void {
    if (this.#runs.size < MAX_HELD_RUNS * CROWDED) return;
    for (const { held } of this.#runs.values()) {
      const { idleSinceMs } = held;
      if (idleSinceMs !== null && nowMs - idleSinceMs >= LEAST_IDLE_MS) held.leave("soon");
    }
  }

  /** Asks runs to leave: those of a type, or all. */
  leave(how: "now" | "soon", type?: string): void {
    for (const entry of this.#runs.values()) {
      if (type === undefined || entry.type.name === type) entry.held.leave(how);
    }
  }

  /** Every claim is void. */
  abandonAll(): void {
    for (const said of this.#words.splice(0)) this.#refuse(said, "stale");
    for (const entry of this.#runs.values()) this.#forget(entry);
  }

  /** The claim of a run was superseded. */
  abandon(id: JobId, token: string): void {
    const entry = this.#runs.get(id);
    if (entry?.claimed.token === token) this.#forget(entry);
  }

  #giveBack(entry: Entry): void {
    for (const said of this.#words.filter((each) => each.entry === entry)) {
      this.#refuse(said, "refused");
    }
    this.#words = this.#words.filter((each) => each.entry !== entry);
    entry.held.leave("now");
  }

  #refuse({ quick, resolve }: Said, why: "stale" | "refused"): void {
    this.#parts.quick.recorded(quick, false);
    resolve({ accepted: false, why });
  }

  #forget(entry: Entry): void {
    if (this.#runs.get(entry.claimed.id) !== entry) return;
    this.#runs.delete(entry.claimed.id);
    entry.held.abandon();
    this.#parts.quick.leave(entry.owner);
    this.#parts.onLeft(entry.type.name);
  }
}

const NOBODY: readonly JobId[] = [];
const NO_CHILDREN: readonly ChildJob[] = [];
const NOTHING: readonly Sent[] = [];
const PARKED_LINE = ["info", "run put out of memory"] as const;

function toAdvance({ entry, word }: Said, after: readonly JobId[], reserve: Reserve): Advance {
  const { id, token } = entry.claimed;
  const { from, entries, next } = word;
  const plain = { id, token, from, entries, next };
  const { children = NO_CHILDREN, cancels = NOBODY } = word;
  if (children.length + cancels.length + after.length === 0) return plain;
  const handed = children.map((child) => {
    const own = child.isBegun === true ? null : reserve(child);
    return own === null ? child : { ...child, token: own };
  });
  return { ...plain, children: handed, cancels, ...(after.length === 0 ? {} : { after }) };
}
