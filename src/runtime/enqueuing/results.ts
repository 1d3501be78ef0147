// Waiting for jobs to end: by this process's own settlements, by the store's events, and by a slow look in case.
import { checkOptions, wrongArgument } from "../../core/arguments.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobEvent } from "../../core/events.ts";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { type JobRecord, type JsonText, isTerminal } from "../../core/job.ts";
import { SlidingMap } from "../../core/sliding-map.ts";
import type { SettleOutcome, Store, Subscription } from "../../core/store.ts";
import { parseDuration } from "../../core/duration.ts";
import { WAIT_NAMES, type WaitOptions } from "../millrace.ts";
import { startTimer } from "../timer.ts";

/** How a job ended, as far as one who waits needs to know. */
export type Ending =
  | { readonly kind: "succeeded"; readonly result: JsonText }
  | { readonly kind: "failed" | "cancelled"; readonly error: ErrorRecord }
  | { readonly kind: "removed" };

/** Looks at the jobs that are waited for, should an event be lost. */
const LOOK_INTERVAL_MS = 2_000;
/**
 * Endings remembered, at least, of jobs that this process ran and that are removed at once: their waiter may come a
 * little late.
 */
const REMEMBERED_ENDINGS = 1_000;
/**
 * A job that is not kept any more may have ended a moment ago, and the word of it be on its way: a look and an event
 * come by different ways, and a look may overtake. So long nobody is told that the job is gone.
 */
const LATE_WORD_MS = 1_000;
/** Most waits at once in one process; beyond it something waits without end. */
const MAX_WAITERS = 100_000;
/** Far more than a subscription takes; what takes longer is a part of the store that does not answer. */
const FOLLOW_PATIENCE_MS = 500;
/** Ids looked at in one call. */
const LOOK_BATCH = 500;

type Waiter = (ending: Ending | MillraceError) => void;
/** Told where a job stands: the token of the claim that runs it, `null` where none does. */
type ClaimWaiter = (runningToken: string | null) => void;
/** Events that leave a claim as it is. */
const WORDS_OF_A_CLAIM: ReadonlySet<JobEvent["kind"]> = new Set(["progress", "log", "started"]);

/** The endings that a process waits for. */
export class Results {
  readonly #store: Store;
  readonly #waiters = new SlidingMap<JobId, Set<Waiter>>();
  readonly #claimWaiters = new Map<JobId, Set<ClaimWaiter>>();
  /** Two generations: forgetting the older one at once costs less than the oldest each time. */
  #remembered = new Map<JobId, Ending>();
  #rememberedBefore: ReadonlyMap<JobId, Ending> = new Map();
  #following: Promise<Subscription> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Jobs that are waited for and were not found, and what ends the wait for a late word of each. */
  readonly #missing = new Map<JobId, () => void>();
  #isClosed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Waits for a job's end.
   *
   * @throws MillraceError `WAIT_TIMEOUT`, `STOPPED`, `TOO_MANY`, `INVALID_ARGUMENT`, `INVALID_DURATION`, or the signal's
   * reason
   */
  async wait(id: JobId, options: WaitOptions = {}): Promise<Ending> {
    if (this.#isClosed) throw new MillraceError("STOPPED", { message: "Millrace is closed" });
    const known = this.#remembered.get(id) ?? this.#rememberedBefore.get(id);
    if (known !== undefined) return known;
    if (this.#waiters.size >= MAX_WAITERS) {
      throw new MillraceError("TOO_MANY", {
        message: `${MAX_WAITERS} jobs are waited for already in this process`,
      });
    }
    checkWait(options);
    const waiting = createWait(id, options, this.#waiters);
    try {
      // Raced: a store that does not answer must not keep a wait from ending in time.
      await Promise.race([this.#followAndLook(id), waiting.promise]);
    } catch (error) {
      if (!waiting.isSettled()) {
        waiting.cancel();
        throw error;
      }
    }
    this.#plan();
    return waiting.promise;
  }

  /**
   * Waits for the end of one claim of a job, whatever became of the job. Rejects with the signal's reason.
   *
   * @throws MillraceError `STOPPED`
   */
  async claimEnded(id: JobId, token: string, signal: AbortSignal): Promise<void> {
    if (this.#isClosed) throw new MillraceError("STOPPED", { message: "Millrace is closed" });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: ClaimWaiter = (runningToken) => {
      if (runningToken !== token) resolve();
    };
    const onAbort = (): void => reject(signal.reason as Error);
    const waiting = this.#claimWaiters.get(id) ?? new Set();
    waiting.add(waiter);
    this.#claimWaiters.set(id, waiting);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    // Should that fail, the slow look finds the end.
    this.#followAndLook(id).catch(() => {});
    this.#plan();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      waiting.delete(waiter);
      if (waiting.size === 0) this.#claimWaiters.delete(id);
    }
  }

  /** This process settled a job: its waiters are told without a round trip. */
  settled(id: JobId, outcome: SettleOutcome): void {
    this.#lookAtClaim(id);
    if (!("retention" in outcome)) return;
    const ending: Ending =
      outcome.kind === "succeeded"
        ? { kind: "succeeded", result: outcome.result }
        : { kind: outcome.kind, error: outcome.error };
    if (outcome.retention.ageMs === 0 || outcome.retention.count === 0) this.#remember(id, ending);
    this.#tell(id, ending);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const cancel of this.#missing.values()) cancel();
    this.#missing.clear();
    const stopped = new MillraceError("STOPPED", {
      message: "Millrace was closed while the job was waited for; the job itself is kept",
    });
    for (const waiting of this.#waiters.values()) {
      for (const waiter of waiting) waiter(stopped);
    }
    const subscription = await this.#following?.catch(() => undefined);
    await subscription?.close();
  }

  #remember(id: JobId, ending: Ending): void {
    this.#remembered.set(id, ending);
    if (this.#remembered.size < REMEMBERED_ENDINGS) return;
    this.#rememberedBefore = this.#remembered;
    this.#remembered = new Map();
  }

  #tell(id: JobId, ending: Ending): void {
    this.#found(id);
    // A set may lose members while it is walked: each waiter removes itself.
    for (const waiter of this.#waiters.get(id) ?? []) waiter(ending);
  }

  /** Looked at, not taken from the event: one of a claim before may come late. */
  #lookAtClaim(id: JobId): void {
    if (this.#claimWaiters.has(id)) this.#look([id]).catch(() => {});
  }

  #tellClaims(id: JobId, runningToken: string | null): void {
    for (const waiter of this.#claimWaiters.get(id) ?? []) waiter(runningToken);
  }

  async #followAndLook(id: JobId): Promise<void> {
    // Followed first, looked at second: an end between the two is seen by one of them.
    const following = this.#follow();
    if (await isWithin(following, FOLLOW_PATIENCE_MS)) return this.#lookIfAwaited(id);
    // A part of the store is silent: the job may be in another. What ends until it is followed is looked for again.
    following.then(() => this.#lookIfAwaited(id)).catch(() => {});
    return this.#lookIfAwaited(id);
  }

  async #lookIfAwaited(id: JobId): Promise<void> {
    if (this.#waiters.has(id) || this.#claimWaiters.has(id)) await this.#look([id]);
  }

  async #look(ids: readonly JobId[]): Promise<void> {
    for (let start = 0; start < ids.length; start += LOOK_BATCH) {
      const batch = ids.slice(start, start + LOOK_BATCH);
      const records = await this.#store.get({ ids: batch });
      for (const [index, id] of batch.entries()) {
        const record = records[index] ?? null;
        if (record === null) this.#miss(id);
        else this.#found(id);
        const ending = record && endingOf(record);
        if (ending !== null) this.#tell(id, ending);
        this.#tellClaims(id, record?.state === "running" ? record.token : null);
      }
    }
  }

  /** A look found nothing: whoever waits is told so, unless how the job ended is heard of first. */
  #miss(id: JobId): void {
    if (!this.#waiters.has(id) || this.#missing.has(id) || this.#isClosed) return;
    const cancel = startTimer(LATE_WORD_MS, () => {
      this.#missing.delete(id);
      this.#tell(id, { kind: "removed" });
    });
    this.#missing.set(id, cancel);
  }

  #found(id: JobId): void {
    this.#missing.get(id)?.();
    this.#missing.delete(id);
  }

  async #lookAtAll(): Promise<void> {
    try {
      await this.#look([...new Set([...this.#waiters.keys(), ...this.#claimWaiters.keys()])]);
    } catch {
      // A store that fails is told of by whoever works with it; a waiter only waits on.
    }
  }

  #plan(): void {
    const isAwaited = this.#waiters.size > 0 || this.#claimWaiters.size > 0;
    if (this.#timer !== undefined || !isAwaited || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      void this.#lookAndPlan();
    }, LOOK_INTERVAL_MS);
  }

  async #lookAndPlan(): Promise<void> {
    await this.#lookAtAll();
    this.#timer = undefined;
    this.#plan();
  }

  async #follow(): Promise<void> {
    this.#following ??= this.#store.subscribe({
      filter: {},
      listener: (event) => {
        const ending = endingOfEvent(event);
        if (ending !== null) this.#tell(event.id, ending);
        if (!WORDS_OF_A_CLAIM.has(event.kind)) this.#lookAtClaim(event.id);
      },
      onGap: () => void this.#lookAtAll(),
    });
    try {
      await this.#following;
    } catch (error) {
      this.#following = undefined;
      throw error;
    }
  }
}

/** Whether a promise is kept within a time. Rejects as the promise does. */
async function isWithin(promise: Promise<unknown>, durationMs: number): Promise<boolean> {
  const { promise: over, resolve } = Promise.withResolvers<boolean>();
  const cancel = startTimer(durationMs, () => resolve(false));
  try {
    return await Promise.race([promise.then(() => true), over]);
  } finally {
    cancel();
  }
}

/** Before anything waits: what is no signal would only be found out when the wait ends, and nobody is there to be told. */
function checkWait(options: WaitOptions): void {
  const { timeout, signal } = checkOptions(options, "options", WAIT_NAMES);
  if (timeout !== undefined) parseDuration(timeout, "timeout");
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongArgument("signal", signal, "an AbortSignal");
  }
}

interface Wait {
  readonly promise: Promise<Ending>;
  isSettled(): boolean;
  cancel(): void;
}

function createWait(
  id: JobId,
  options: WaitOptions,
  waiters: SlidingMap<JobId, Set<Waiter>>,
): Wait {
  const { promise, resolve, reject } = Promise.withResolvers<Ending>();
  let isSettled = false;
  let cancelTimer: (() => void) | undefined;
  const settle = (): void => {
    isSettled = true;
    cancelTimer?.();
    options.signal?.removeEventListener("abort", onAbort);
    const waiting = waiters.get(id);
    waiting?.delete(waiter);
    if (waiting?.size === 0) waiters.delete(id);
  };
  const waiter: Waiter = (ending) => {
    settle();
    if (ending instanceof MillraceError) reject(ending);
    else resolve(ending);
  };
  const onAbort = (): void => {
    settle();
    reject(options.signal?.reason);
  };
  const waiting = waiters.get(id) ?? new Set();
  waiting.add(waiter);
  waiters.set(id, waiting);
  if (options.timeout !== undefined) {
    const timeoutMs = parseDuration(options.timeout, "timeout");
    cancelTimer = startTimer(timeoutMs, () => {
      waiter(
        new MillraceError("WAIT_TIMEOUT", {
          message: `job ${id} did not end within ${timeoutMs} ms; it goes on, and can be waited for again`,
          details: { jobId: id },
        }),
      );
    });
  }
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener("abort", onAbort);
  // Whoever made the wait may not be listening yet when it is rejected.
  promise.catch(() => {});
  return { promise, isSettled: () => isSettled, cancel: settle };
}

function endingOf(record: JobRecord): Ending | null {
  if (!isTerminal(record.state)) return null;
  if (record.state === "succeeded") return { kind: "succeeded", result: record.result ?? "null" };
  return { kind: record.state, error: record.error ?? { name: "Error", message: record.state } };
}

function endingOfEvent(event: JobEvent): Ending | null {
  if (event.kind === "succeeded") return { kind: "succeeded", result: event.result };
  if (event.kind === "failed" || event.kind === "cancelled") {
    return { kind: event.kind, error: event.error };
  }
  return event.kind === "removed" ? { kind: "removed" } : null;
}
