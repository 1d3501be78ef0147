// A run in memory: its function, the steps that it has taken, and what it is told, one thing a turn.
import type { AnyJobType } from "../../core/define-job.ts";
import type { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JsonText } from "../../core/job.ts";
import type { ChildJob, Ending, RunFact } from "../../core/run.ts";
import type { ClaimedJob } from "../../core/store.ts";
import type { HeldRun, RunOwner } from "../../runtime/index.ts";
import { type Chance, createChance } from "./chance.ts";
import type { WorkflowType } from "../define-workflow.ts";
import { misused, stalled } from "../errors.ts";
import { Inbox, type Portion, isLocalEnd } from "./inbox.ts";
import { OneTimer } from "./one-timer.ts";
import { type Draft, type LocalEnd, type Operation, Scope } from "../steps/operation.ts";
import { Answering } from "../steps/answering.ts";
import { type Item, isAnswer } from "../record/record.ts";
import { retell } from "../record/retelling.ts";
import { Script } from "../record/script.ts";
import { type StopItem, Stopping } from "./stopping.ts";
import { Speech } from "./speech.ts";
import { StepIds } from "../steps/step-ids.ts";
import {
  type LastWord,
  type LiveRunParts,
  type Recorded,
  type RunEars,
  brokenWord,
  startItem,
} from "./run-parts.ts";
import { RunSteps } from "../steps/run-steps.ts";
import type { Telling } from "./run-log.ts";
import type { StepTaker } from "../steps/taking-steps.ts";
import { UnderWay } from "./under-way.ts";

/** How long a function may await something that is no step before the run is ended for it. */
const STALL_MS = 5_000;

/** A run in memory. */
export class LiveRun implements HeldRun, StepTaker, RunEars {
  readonly claimed: ClaimedJob;
  readonly type: WorkflowType;
  readonly owner: RunOwner;
  readonly root: Scope = new Scope();
  /** Its input as JSON, whole. */
  input: JsonText;
  readonly speech: Speech;
  readonly inbox: Inbox;
  readonly underWay: UnderWay;
  readonly ids: StepIds;
  readonly script: Script = new Script();
  readonly answering: Answering;
  isToTurn = false;
  readonly #parts: LiveRunParts;
  readonly #steps: RunSteps;
  readonly #claimedAtMs = performance.now();
  readonly #stall = new OneTimer();
  readonly #stopping = new Stopping();
  #start: Extract<Item, { kind: "start" }> | null = null;
  #isOver = false;
  #leaving: "now" | "soon" | null = null;
  #broken: MillraceError | null = null;
  #last: LastWord | null = null;
  #chance: Chance | null = null;

  constructor(
    claimed: ClaimedJob,
    { type, owner }: { readonly type: WorkflowType; readonly owner: RunOwner },
    parts: LiveRunParts,
  ) {
    this.#parts = parts;
    this.claimed = claimed;
    this.input = claimed.input;
    this.type = type;
    this.owner = owner;
    this.ids = new StepIds(claimed.id);
    this.inbox = new Inbox(this);
    this.speech = new Speech(this);
    this.underWay = new UnderWay(this);
    this.answering = new Answering(this.inbox, this.underWay);
    this.#steps = new RunSteps(this);
  }

  get chance(): Chance {
    return (this.#chance ??= createChance(this.claimed.id));
  }

  get room(): LiveRunParts["room"] {
    return this.#parts.room;
  }

  get values(): LiveRunParts["room"]["values"] {
    return this.#parts.room.values;
  }

  ask(): void {
    this.#parts.turns.ask(this);
  }

  waits(): Iterable<Operation> {
    return this.underWay.waits();
  }

  onNews(): void {
    this.underWay.idleSinceMs = null;
    this.ask();
  }

  onReply(isAccepted: boolean): void {
    // What it was told is not so: it goes on from its record, wherever it is claimed next.
    if (!isAccepted) this.#leaving = "now";
    this.ask();
  }

  onEnd(operation: Operation, ended: LocalEnd): void {
    this.inbox.putEnd(operation, ended);
    this.ask();
  }

  onQuickEnd(operation: Operation, ended: LocalEnd): boolean {
    const { worker } = this.owner;
    // The record tells once by whom its steps were tried.
    this.onEnd(operation, worker === this.#start?.worker ? ended : { ...ended, worker });
    return operation.isQueued;
  }

  onJob(operation: Operation, child: ChildJob): void {
    if (this.#isOver) return;
    this.inbox.index(child.id, operation);
    this.speech.addChild(null, child);
    if (operation.state === "dropped") this.speech.cancel(child.id);
    this.ask();
  }

  onTimeout(operation: Operation): void {
    const isSleep = operation.begun.kind === "sleep";
    this.inbox.put(
      isSleep ? { kind: "ended", operation } : { kind: "took", operation, signal: null },
    );
  }

  onSlow(): void {
    this.speech.sayLight();
  }

  get runId(): JobId {
    return this.claimed.id;
  }

  get isLocal(): boolean {
    return this.type.workflow.isLocal;
  }

  /** The steps that its function has taken, in their order. */
  get operations(): readonly Operation[] {
    return this.#steps.all;
  }

  get isReplaying(): boolean {
    return !this.#steps.isLive;
  }

  get startedAtMs(): number {
    return this.#start?.atMs ?? this.claimed.startedAtMs;
  }

  get idleSinceMs(): number | null {
    return this.underWay.idleSinceMs;
  }

  /** Why the run is to end, where somebody or its deadline says so. */
  get stopped(): MillraceError | null {
    return this.#stopping.error;
  }

  tellingOf(type: AnyJobType, input: unknown, about?: object): Telling {
    return this.#parts.tellingOf(this, type, input, about);
  }

  nowMs(): number {
    return this.answering.toldAtMs;
  }

  clockMs(): number {
    return Math.round(this.claimed.startedAtMs + performance.now() - this.#claimedAtMs);
  }

  /** It can't be begun: it ends with an error, as it stands in its record. */
  refuse(error: MillraceError, entries: number): void {
    this.speech.entries = entries;
    this.onChanged(error);
  }

  /** Begins to run, with what the record says. `first`: what the record must be told before all else. */
  begin(recorded: Recorded, first: Item | null = null): void {
    if (this.#isOver) return;
    if (first !== null) this.speech.add(first);
    this.speech.entries = recorded.entries;
    this.#steps.recordedLength = recorded.length;
    this.ids.life = recorded.retries;
    for (const fact of recorded.facts) this.inbox.facts.add(fact);
    this.#start = this.script.load(recorded.items);
    if (this.#start === null) {
      this.#start = startItem(this.type, this.claimed.startedAtMs, this.owner.worker);
      this.speech.addLight(this.#start);
    }
    this.answering.toldAtMs = this.startedAtMs;
    this.#stopping.cancelReason ??= recorded.cancelReason;
    void this.#parts.runFunction(this);
    this.ask();
  }

  take(scope: Scope, draft: Draft): Promise<unknown> {
    if (this.#last !== null) throw misused(`${draft.name}: the run that it belongs to has ended`);
    if (this.#isOver) return new Promise(() => {});
    const refusal = this.#broken ?? scope.error;
    if (refusal !== null) throw refusal;
    this.#stall.stop();
    return this.#steps.take(scope, draft).promise;
  }

  async whenUnwound(operation: Operation): Promise<void> {
    return this.#steps.whenUnwound(operation);
  }

  /** Somebody wants the run to end, by a reason; or what is open in a scope is dropped. */
  cancel(what: Scope | string, error?: Error): void {
    if (typeof what === "string") this.#stop("cancel", what);
    else what.cancel(error as Error, (operation, why) => this.#steps.drop(operation, why));
  }

  #stop(why: "cancel" | "deadline", reason: string): void {
    if (this.#isOver) return;
    if (!this.#steps.isLive) {
      // Told once the record has been gone through.
      if (why === "cancel") this.#stopping.cancelReason = reason;
      return;
    }
    const isKnown = this.stopped !== null || this.inbox.hasStop;
    if (!isKnown) this.inbox.put({ kind: "stop", why, reason, atMs: this.clockMs() });
  }

  told(fact: RunFact): void {
    this.inbox.told(fact);
  }

  childEnded(child: JobId, ending: Ending, length: number): void {
    this.inbox.childEnded(child, ending, length);
  }

  leave(how: "now" | "soon"): void {
    if (this.#isOver) return;
    this.#leaving = how === "now" ? how : (this.#leaving ?? how);
    if (how === "now") this.underWay.stop();
    this.ask();
  }

  abandon(): void {
    this.#isOver = true;
    this.inbox.isClosed = true;
    this.#stall.stop();
    this.#stopping.end();
    this.speech.stop();
    this.underWay.stop();
  }

  /** The function can't be followed: the run ends without it. */
  onChanged(error: MillraceError): void {
    this.#broken ??= error;
    this.ask();
  }

  turn(): void {
    if (this.#isOver) return;
    if (this.#broken !== null) this.#endBroken(this.#broken);
    if (this.#last === null && this.script.next !== undefined) return this.#replayNext();
    if (!this.#steps.isLive) this.#goLive();
    if (this.#tellNext()) this.ask();
    else this.#speak();
  }

  #endBroken(error: MillraceError): void {
    if (this.#last !== null) return;
    this.#steps.isLive = true;
    const retention = this.claimed.retention ?? this.type.retention;
    this.#end(brokenWord(error, this.clockMs(), retention));
  }

  #replayNext(): void {
    const item = this.script.nextTold();
    // The function is expected to take this step: it may be awaiting what is no step.
    if (item === null) return this.#watchStall();
    this.ask();
    if (item.kind === "stop") this.#applyStop(item);
    else if (isAnswer(item)) retell(this, item);
  }

  /** All that the record says was told again: what was under way then goes on. */
  #goLive(): void {
    this.inbox.isOpen = true;
    this.#steps.goOn();
    const deadlineAtMs = this.#start?.deadlineAtMs ?? null;
    if (deadlineAtMs !== null && this.stopped === null) {
      const deadline = { startedAtMs: this.startedAtMs, deadlineAtMs };
      const onOver = (reason: string): void => this.#stop("deadline", reason);
      this.#stopping.watch(deadline, this.clockMs(), onOver);
    }
    const { cancelReason } = this.#stopping;
    if (cancelReason !== null) this.#stop("cancel", cancelReason);
  }

  /** Tells the function the next thing. `false`: there is none. */
  #tellNext(): boolean {
    const mayStop = this.stopped === null && this.#last === null;
    const portion = this.inbox.take(mayStop);
    if (portion === null) return false;
    if (portion.kind === "one") this.#tellOne(portion.news);
    else if (portion.kind === "did") this.#tellEnds(portion.operations);
    else {
      const got = this.answering.got(portion.operations);
      this.speech.add(got);
      retell(this, got);
    }
    return true;
  }

  #tellOne(news: Extract<Portion, { kind: "one" }>["news"]): void {
    if (news.kind === "stop") {
      this.speech.add(news);
      this.#applyStop(news);
    } else {
      this.speech.add({ kind: "took", step: news.operation.step, signal: news.signal });
      this.answering.answerSignal(news.operation, news.signal);
    }
  }

  /** Steps that ended in this process. */
  #tellEnds(operations: readonly Operation[]): void {
    for (const [index, operation] of operations.entries()) {
      const { ended } = operation;
      if (!isLocalEnd(ended)) continue;
      this.speech.add(index === 0 ? ended : { ...ended, isBeside: true });
      this.answering.answer(operation, ended);
    }
  }

  #applyStop(stop: StopItem): void {
    this.answering.toldAtMs = Math.max(this.answering.toldAtMs, stop.atMs);
    this.cancel(this.root, this.#stopping.apply(this.runId, stop));
  }

  /** The function and its unwinding are over. */
  finish(last: LastWord): void {
    if (this.#isOver || this.#last !== null || this.#broken !== null) return;
    const missed = this.#missed();
    if (missed !== null) this.onChanged(missed);
    else this.#end(last);
  }

  /** What the function did not do that the record says. */
  #missed(): MillraceError | null {
    return this.script.missed(this.#steps.all.length + 1);
  }

  #end(last: LastWord): void {
    this.#last = last;
    this.speech.add(last.item);
    this.ask();
  }

  #watchStall(): void {
    this.#stall.start(STALL_MS, () => {
      if (!this.#isOver && this.#last === null) this.onChanged(this.#missed() ?? stalled());
    });
  }

  /** Says what there is to say, or rests. */
  #speak(): void {
    if (this.speech.isSaying) return;
    if (this.#leaving === "now") return void this.speech.letGo({ kind: "release" });
    const state = this.underWay.isWaiting ? "waiting" : "running";
    if (this.speech.say(this.#last?.next ?? null, state)) return;
    if (this.#leaving === "soon" && this.underWay.hasUnstarted) {
      return void this.speech.letGo({ kind: "release" });
    }
    this.underWay.startLocals();
    this.#rest();
  }

  /** Nothing is to be done until something is told. */
  #rest(): void {
    if (this.#last !== null || this.underWay.isBusyHere || this.inbox.isReading) return;
    if (this.underWay.isEmpty) return this.#watchStall();
    this.underWay.idleSinceMs ??= performance.now();
    if (this.owner.unconfirmed > 0) return;
    const deadlineAtMs = this.stopped === null ? (this.#start?.deadlineAtMs ?? null) : null;
    const delayMs = this.underWay.mayPark(deadlineAtMs, this.#leaving === "soon");
    if (delayMs === undefined) return;
    void this.speech.letGo({ kind: "parked", delayMs, facts: this.inbox.facts.size });
  }
}
