// The exchanges of a worker: one settles what ended and claims what fits, beside it one at most claims ahead.
import type { ClaimRequest, ClaimedJob, ExchangeReply } from "../../core/store.ts";
import type { JobId } from "../../core/ids.ts";
import { AheadJobs, FURTHER_TIMES } from "./ahead.ts";
import { createBackoff } from "../backoff.ts";
import { ClaimTokens } from "../worker/claim-tokens.ts";
import {
  type Ended,
  type ExchangeLoopParts,
  type Exchanged,
  UnderWay,
  countFresh,
  countSteps,
  toRequest,
} from "./exchange-parts.ts";
import { HELD_BACK_LOOK_MS, type Sent } from "./held-runs.ts";
import { ReservedSlots } from "../worker/reserved-slots.ts";
import { Signal } from "../signal.ts";
import { Slack } from "./slack.ts";
import type { Slots } from "../worker/slots.ts";
import { startTimer } from "../timer.ts";
import { Unanswered } from "./unanswered.ts";
import { WholeClaims } from "./whole-claims.ts";
import { ageOf, lookAgainInMs, youthLeftMs } from "../worker/youth.ts";

/** Most settlements in one exchange: bounds the message; the rest go with the next one. */
const MAX_SETTLEMENTS = 1_000;
/** Tries to hand in the last settlements on the way out, before the store is given up; the lease ends them anyway. */
const MAX_CLOSING_FAILURES = 5;

/*
 * Why two at a time, and why these two. With one alone the store is idle while handlers run and the worker while the
 * store works. With two that both settle and claim, each has half of the slots, and the disk is waited for as often for
 * half as many jobs. So what ended is settled by one exchange, and the claim of what begins next is under way beside it.
 * That claim is sent right after the settlements, not with them: the store has it to do next while the worker reads its
 * answer, and settling waits for no claim.
 * A job that was claimed ahead begins when a slot is free and the store has answered for the job that had it: never are
 * there more jobs begun and not settled than the worker has slots, so a killed worker doubles no more than those.
 */
export class ExchangeLoop {
  readonly #parts: ExchangeLoopParts;
  readonly #signal = new Signal();
  readonly #ahead = new AheadJobs();
  readonly #slack = new Slack();
  readonly #wholeClaims = new WholeClaims();
  readonly #tokens = new ClaimTokens();
  readonly #reserved: ReservedSlots;
  #settlements: Ended[] = [];
  readonly #underWay = new UnderWay();
  readonly #backoff = createBackoff();
  /** Settled, and without an answer: they are settled again. */
  readonly #unanswered = new Unanswered<Ended>((again) => {
    this.#settlements.push(...again.map((ended) => ({ ...ended, isSaidAgain: true as const })));
    this.#signal.notify();
  });
  /** Jobs asked for by the claim under way ahead of free slots. */
  #asked = 0;
  /** Fewer runs were asked for than the memory holds: some may only wait by and by. */
  #isHeldBack = false;
  #mayHaveWork = true;
  #bornAtMs = 0;
  /** The same of types that are not claimed ahead. */
  #mayHaveOthers = false;
  #isClosing = false;
  #cancelOverdue: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  constructor(parts: ExchangeLoopParts) {
    this.#parts = parts;
    this.#reserved = new ReservedSlots(parts.slots, this.#tokens, parts.quick, () => {
      this.#mayHaveWork = true;
    });
  }

  get isRunning(): boolean {
    return this.#loop !== undefined;
  }

  /** Settlements that the store has not answered. */
  get unsettled(): number {
    return this.#settlements.length + this.#underWay.settlements + this.#unanswered.size;
  }

  /**
   * Jobs that may begin: a slot is free, and the store has answered for whatever had it. What a silent part of the store
   * does not answer for keeps no slot from the jobs of other parts.
   */
  get room(): number {
    return Math.max(0, this.#unclaimed);
  }

  /** The same, below nothing where more ended than slots are free. */
  get #unclaimed(): number {
    return this.#parts.slots.free - countFresh(this.#settlements) - this.#underWay.fresh;
  }

  get #isClaiming(): boolean {
    return this.#asked > 0 || this.#underWay.hasClaim;
  }

  start(): void {
    if (this.#loop !== undefined) return;
    this.#bornAtMs = this.#parts.monotonicMs();
    this.#loop = this.#run();
  }

  /** Hands in the last settlements, and ends. */
  async stop(): Promise<void> {
    this.#isClosing = true;
    this.giveBackHeld();
    this.#signal.notify();
    await this.#loop;
    this.#unanswered.clear();
    this.#cancelOverdue?.();
    this.#signal.stop();
  }

  /** There may be work, or slots for it. */
  wake(): void {
    this.#mayHaveWork = true;
    this.#signal.notify();
  }

  /** There is something to say. */
  notify(): void {
    this.#signal.notify();
  }

  /** A try ended. */
  settle(ended: Ended): void {
    this.#settlements.push(ended);
    if ("pushBack" in ended.settlement.outcome) this.#pushBack();
    this.#signal.notify();
  }

  /** A handler pushed back: what is held is to wait with the rest. */
  #pushBack(): void {
    this.#slack.tighten(this.#parts.monotonicMs());
    this.giveBackHeld();
  }

  /** Gives back a claim that nobody here will make use of. */
  giveBack(claimed: ClaimedJob): void {
    const { id, token } = claimed;
    this.settle({ claimed, runMs: 0, settlement: { id, token, outcome: { kind: "release" } } });
  }

  /** Gives back what was claimed ahead: of a type, or all. */
  giveBackHeld(type?: string): void {
    this.#release(this.#ahead.takeOf(type));
  }

  /** A job was asked to cancel. Where it is held here it is given back, by which it is cancelled. */
  cancelHeld(id: JobId): boolean {
    const held = this.#ahead.takeJob(id);
    if (held !== undefined) this.#release([held]);
    return held !== undefined;
  }

  /** Every claim is void: nothing that is to be said counts any more. */
  forget(): void {
    this.#settlements = [];
    this.#unanswered.clear();
    this.#parts.slots.unhold(this.#ahead.takeOf());
  }

  #release(held: readonly ClaimedJob[]): void {
    this.#parts.slots.unhold(held);
    for (const job of held) this.giveBack(job);
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#underWay.hasFailed && this.#underWay.size === 0) {
        this.#underWay.hasFailed = false;
        if (this.#isClosing && this.#backoff.attempts >= MAX_CLOSING_FAILURES) return;
        await this.#backoff.wait();
      }
      // What begins now and ends in this turn goes with what ended before: two halves would wait for the disk twice.
      const mayEnd = this.#asked > 0 || this.#ahead.size > 0 || this.#parts.runs.size > 0;
      if (mayEnd) await new Promise(setImmediate);
      if (this.#ahead.size > 0) this.#beginHeld();
      const exchanged = this.#gather();
      if (exchanged === undefined) {
        if (this.#isClosing && this.#asked === 0 && this.#underWay.size === 0) return;
        await this.#wait();
        continue;
      }
      const answered = this.#exchange(exchanged);
      if (this.#parts.runs.size === 0) await answered;
      else await this.#untilMore();
    }
  }

  async #exchange(exchanged: Exchanged): Promise<void> {
    this.#underWay.add(exchanged);
    try {
      const replying = this.#parts.store.exchange(toRequest(exchanged));
      // Once the settlements are on their way: the store goes on with it when it has settled them.
      queueMicrotask(() => this.#claimFurther());
      const reply = await replying;
      this.#underWay.delete(exchanged);
      this.#backoff.reset();
      this.#take(exchanged, reply);
    } catch {
      // The store logged it; the settlements go out with the next exchange.
      this.#underWay.delete(exchanged);
      this.#putBack(exchanged);
      this.#underWay.hasFailed = true;
    }
    this.#signal.notify();
  }

  /** Until all is answered, or there is something of runs that can go beside what is under way. */
  async #untilMore(): Promise<void> {
    while (this.#underWay.size > 0) {
      if (this.#underWay.mayGoBeside(this.#parts.runs.words, this.#settlements)) return;
      await this.#signal.wait(this.#parts.pollIntervalMs);
    }
  }

  async #wait(): Promise<void> {
    const { pollIntervalMs } = this.#parts;
    const waitMs = this.#isHeldBack ? Math.min(HELD_BACK_LOOK_MS, pollIntervalMs) : pollIntervalMs;
    const isWoken = await this.#signal.wait(waitMs);
    // A look without a wake-up, in case one was lost.
    if (!isWoken) this.#mayHaveWork = true;
    // What is said in one turn of the loop goes with one exchange. A claim alone has nothing to wait for.
    const hasWords = this.#settlements.length > 0 || this.#parts.runs.words > 0;
    if (hasWords) await new Promise(setImmediate);
  }

  #gather(): Exchanged | undefined {
    if (!this.#underWay.mayAdd) return undefined;
    const { runs } = this.#parts;
    const partOf = this.#underWay.partOf(Math.max(runs.words, countSteps(this.#settlements)));
    const settling = Math.min(partOf(this.#settlements.length), MAX_SETTLEMENTS);
    const batch = this.#settlements.slice(0, settling);
    this.#reserved.allow(this.#unclaimed + countFresh(batch));
    const words = runs.take(partOf(runs.words), batch, (child) => this.#reserved.reserve(child));
    const isBeside = this.#underWay.size > 0;
    if (isBeside && !this.#underWay.mayGoBeside(words.length, batch)) return undefined;
    // One claim at a time: what a worker may be given depends on what it holds.
    const mayHave = (this.#mayHaveWork || this.#mayHaveOthers) && !this.#isClaiming;
    const claim = mayHave ? this.#claimRequest() : undefined;
    if (claim !== undefined) this.#mayHaveOthers = false;
    if (batch.length === 0 && words.length === 0 && claim === undefined) return undefined;
    this.#settlements = this.#settlements.slice(batch.length);
    return { worker: this.#parts.workerId(), batch, words, claim };
  }

  #putBack({ worker, batch, words }: Exchanged): void {
    // Where the lease was lost meanwhile the claims are void, and so is what was to be said of them.
    if (worker === this.#parts.workerId()) this.#settlements = [...batch, ...this.#settlements];
    this.#parts.runs.putBack(words);
    this.#reserved.unreserve(words, null);
    this.#mayHaveWork = true;
  }

  #claimRequest(): ClaimRequest | undefined {
    const { runs, slots, concurrency } = this.#parts;
    if (!this.#parts.isAttached()) return undefined;
    const nowMs = this.#parts.monotonicMs();
    runs.makeRoom(nowMs);
    const room = runs.room(concurrency, slots.free, nowMs);
    this.#isHeldBack = room.isHeldBack && runs.size > 0;
    if (slots.unheld > 0) this.#wholeClaims.note(nowMs);
    return this.#requestOf(slots.offers(room.room));
  }

  #requestOf(offered: ReturnType<Slots["offers"]>): ClaimRequest | undefined {
    if (offered === undefined) return undefined;
    this.#mayHaveWork = false;
    const { labels } = this.#parts;
    const tokens = this.#tokens.range(offered.capacity);
    return { ...offered, labels, ...tokens, ...ageOf(this.#youthLeftMs) };
  }

  get #youthLeftMs(): number {
    return youthLeftMs(this.#bornAtMs, this.#parts.leaseDurationMs, this.#parts.monotonicMs());
  }

  /** Begins what is held, as far as there is room, and claims ahead what comes after it. */
  #beginHeld(): void {
    const nowMs = this.#parts.monotonicMs();
    const room = this.room;
    // First the store gets to work, then the handlers.
    this.#claimAhead(Math.min(room, this.#ahead.size), nowMs);
    const jobs = this.#ahead.take(room);
    this.#parts.slots.unhold(jobs);
    if (jobs.length > 0) this.#parts.begin(jobs);
    this.#watchHeld(nowMs);
  }

  /** While a settlement is under way: claims what comes after what is held, so that the store has that to do next. */
  #claimFurther(): void {
    if (this.#underWay.settlements === 0) return;
    this.#claimAhead(0, this.#parts.monotonicMs(), FURTHER_TIMES);
  }

  #claimAhead(beginning: number, nowMs: number, times = 1): void {
    const { slots, concurrency, isAttached } = this.#parts;
    if (!this.#mayHaveWork || this.#isClaiming || this.#isClosing || !isAttached()) return;
    const hasSlack = this.#slack.isThere(nowMs);
    // What is held begins, and the exchange that settles it finds slots and no claim under way.
    if (slots.servesOthers(hasSlack) && this.#wholeClaims.isDue(nowMs)) return;
    const wanted = this.#ahead.wanted(concurrency, beginning, nowMs, times);
    const claim = wanted > 0 ? this.#requestOf(slots.offersAhead(wanted, hasSlack)) : undefined;
    if (claim === undefined) return;
    this.#mayHaveOthers = slots.servesOthers(hasSlack);
    void this.#askAhead(claim);
  }

  async #askAhead(claim: ClaimRequest): Promise<void> {
    const worker = this.#parts.workerId();
    this.#asked = claim.capacity;
    try {
      const reply = await this.#parts.store.exchange({ worker, settlements: [], claim });
      this.#asked = 0;
      if (worker !== this.#parts.workerId()) return;
      this.#planNextLook(claim, reply);
      this.#parts.slots.noteMore(reply.claimed.length === claim.capacity ? reply.claimed : []);
      this.#receive(reply.claimed);
      this.#claimFurther();
    } catch {
      // What it claimed, if anything, the store takes back. The next exchange that works asks again.
      this.#asked = 0;
      this.#mayHaveWork = true;
    } finally {
      this.#signal.notify();
    }
  }

  /** Takes over what was claimed. Jobs begin as far as there is room; a workflow run needs none. */
  #receive(claimed: readonly ClaimedJob[]): void {
    const { slots, begin } = this.#parts;
    const needSlots = claimed.filter(({ type }) => slots.isServed(type));
    slots.hold(needSlots);
    this.#ahead.hold(needSlots, this.#parts.monotonicMs());
    if (needSlots.length < claimed.length) {
      begin(claimed.filter(({ type }) => !slots.isServed(type)));
    }
    this.#beginHeld();
  }

  /** What is held too long is given back. */
  #watchHeld(nowMs: number): void {
    const inMs = this.#ahead.overdueInMs(nowMs);
    if (inMs === undefined || this.#cancelOverdue !== undefined) return;
    this.#cancelOverdue = startTimer(inMs, () => {
      this.#cancelOverdue = undefined;
      this.#beginHeld();
      this.#release(this.#ahead.takeOverdue(this.#parts.monotonicMs()));
      this.#watchHeld(this.#parts.monotonicMs());
    });
  }

  #take({ worker, batch, words, claim }: Exchanged, reply: ExchangeReply): void {
    for (const [index, ended] of batch.entries()) {
      const answer = reply.settled[index] ?? { accepted: false, why: "gone" };
      if (this.#unanswered.keeps(ended, answer)) continue;
      this.#parts.runs.childSettled(ended.claimed, ended.settlement.outcome, answer.accepted);
      this.#parts.onSettled(ended, answer);
    }
    this.#ahead.noteEnded(batch.length, this.#parts.monotonicMs());
    const handedOver = this.#reserved.unreserve(words, reply.advanced ?? []);
    if (handedOver.length > 0) this.#beginOf(words, handedOver);
    for (const [index, word] of words.entries()) {
      this.#parts.runs.answered(word, reply.advanced?.[index] ?? { accepted: false, why: "stale" });
    }
    if (claim !== undefined) {
      this.#parts.slots.noteMore([]);
      this.#planNextLook(claim, reply);
    }
    // What was claimed under a lease that was lost meanwhile is void.
    this.#receive(worker === this.#parts.workerId() ? reply.claimed : []);
    this.#parts.onProgress();
  }

  /** Begins children that were handed over. One that the same word cancels was told so before it was here. */
  #beginOf(words: readonly Sent[], handedOver: readonly ClaimedJob[]): void {
    this.#parts.begin(handedOver);
    for (const { advance } of words) advance.cancels?.forEach((id) => this.#parts.cancel(id));
  }

  #planNextLook(claim: ClaimRequest, reply: ExchangeReply): void {
    const limited = this.#parts.slots.countLimited(reply.claimed);
    const found = { capacity: claim.capacity, claimed: reply.claimed.length, limited };
    this.#slack.noteClaim(found, this.#parts.monotonicMs());
    // A full reply says that there may be more; a short one that the lanes are empty for now.
    if (reply.claimed.length === claim.capacity) this.#mayHaveWork = true;
    const lookInMs = lookAgainInMs(claim, reply, this.#youthLeftMs);
    if (reply.claimed.length < claim.capacity && lookInMs !== null) {
      this.#signal.wakeIn(lookInMs, () => {
        this.#mayHaveWork = true;
      });
    }
  }
}
