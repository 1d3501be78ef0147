// What a run is told: facts, and the ends of its steps on their way to the function, in the order in which they came.
import { toErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { Ending, RunFact } from "../../core/run.ts";
import { Facts } from "./facts.ts";
import { type EndingValues, readEnding } from "./large-endings.ts";
import { type LocalEnd, type Operation, jobIdOf } from "../steps/operation.ts";
import type { Told } from "../record/record.ts";

/** Something to be told to the function. */
export type News =
  | { readonly kind: "ended"; readonly operation: Operation }
  | { readonly kind: "took"; readonly operation: Operation; readonly signal: JobId | null }
  | Extract<Told, { kind: "stop" }>;

/** What it needs of its run. */
export interface InboxParts {
  /** The waits for signals that are open. */
  waits(): Iterable<Operation>;
  /** Something has come. */
  onNews(): void;
  readonly values: EndingValues;
  clockMs(): number;
}

/** What is told in one turn. */
export type Portion =
  /** Answers: of jobs and sleeps, or of what ran in this process. Several where they are inputs of a fan-out. */
  | { readonly kind: "got" | "did"; readonly operations: readonly Operation[] }
  | { readonly kind: "one"; readonly news: Exclude<News, { kind: "ended" }> };

/** The inbox of one run. */
export class Inbox {
  readonly facts: Facts = new Facts();
  /** Whether what comes is on its way to the function at once: the record has been gone through. */
  isOpen = false;
  isClosed = false;
  readonly #parts: InboxParts;
  #byJob: Map<JobId, Operation> | null = null;
  #news: News[] = [];
  #reading = 0;

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  /** Whether a result that was put away is on its way: the run must hear of it before it rests. */
  get isReading(): boolean {
    return this.#reading > 0;
  }

  get hasStop(): boolean {
    return this.#news.some(({ kind }) => kind === "stop");
  }

  /** The step that a job belongs to. */
  index(jobId: JobId | null, operation: Operation): void {
    if (jobId !== null) (this.#byJob ??= new Map()).set(jobId, operation);
  }

  put(news: News): void {
    if (this.isClosed) return;
    if (news.kind !== "stop") {
      if (news.operation.isQueued) return;
      news.operation.isQueued = true;
    }
    this.#news.push(news);
    this.#parts.onNews();
  }

  /** A step has ended; the function, or the unwinding, is told in its turn. */
  putEnd(operation: Operation, ended: NonNullable<Operation["ended"]>): void {
    if (operation.ended !== null || this.isClosed) return;
    operation.ended = ended;
    if (operation.state === "open" || operation.unwound !== null) {
      this.put({ kind: "ended", operation });
    }
  }

  /** The store tells of a fact. */
  told(fact: RunFact): void {
    if (this.isClosed || !this.facts.add(fact) || !this.isOpen) return;
    const ending = this.facts.endingOf(fact.key);
    if (ending === undefined) this.#offer(fact.key);
    else this.#end(fact.key, ending);
  }

  /** A child ended in this worker, before the store has it. */
  childEnded(child: JobId, ending: Ending, length: number): void {
    if (this.isClosed || !this.facts.addEnding(child, ending, length) || !this.isOpen) return;
    this.#end(child, ending);
  }

  #end(child: JobId, ending: Ending): void {
    const operation = this.#byJob?.get(child);
    if (operation === undefined) return;
    if (this.#parts.values.isAwayParsed(ending.result)) void this.#read(operation, child, ending);
    else this.putEnd(operation, ending);
  }

  /** The job of a step may have ended before anyone asked. `false`: it has not, as far as is known. */
  endKnown(operation: Operation): boolean {
    const child = jobIdOf(operation);
    const ending = this.facts.endingOf(child);
    if (child === null || ending === undefined) return false;
    this.#end(child, ending);
    return true;
  }

  /** Reads what a step came to. That it can't be read is recorded, so that every replay hears the same. */
  async #read(operation: Operation, child: JobId, ending: Ending): Promise<void> {
    this.#reading += 1;
    try {
      const whole = await readEnding(this.#parts.values, child, ending);
      this.facts.setEnding(child, whole);
      this.putEnd(operation, whole);
    } catch (error) {
      const atMs = this.#parts.clockMs();
      const { step } = operation;
      const base = { kind: "did", step, atMs, startedAtMs: ending.startedAtMs ?? atMs } as const;
      const { attempts } = ending;
      this.putEnd(operation, { ...base, attempts, error: toErrorRecord(error) });
    }
    this.#reading -= 1;
    this.#parts.onNews();
  }

  /** Gives a wait the oldest signal of its name that nobody has taken. `false`: there is none. */
  fill(operation: Operation): boolean {
    const signal = this.facts
      .signalsNamed(operation.draft.name)
      .find((each) => !this.#isPromised(each));
    if (signal === undefined) return false;
    this.put({ kind: "took", operation, signal });
    return true;
  }

  #isPromised(signal: JobId): boolean {
    return this.#news.some((news) => news.kind === "took" && news.signal === signal);
  }

  /** Gives a signal to the first wait for its name. */
  #offer(signal: JobId): void {
    const name = this.facts.signal(signal)?.name;
    for (const operation of this.#parts.waits()) {
      if (operation.draft.name !== name || operation.isQueued) continue;
      this.put({ kind: "took", operation, signal });
      return;
    }
  }

  /** Takes what is to be told in this turn; `null`: nothing. */
  take(mayStop: boolean): Portion | null {
    if (this.#news.length === 0) return null;
    let kind: "got" | "did" | null = null;
    const operations: Operation[] = [];
    for (let news = this.#news[0]; news !== undefined; news = this.#news[0]) {
      if (kind !== null && !(isPassive(news) && kind === kindOfEnd(news))) break;
      this.#news.shift();
      if (!isWanted(news, mayStop)) this.#skip(news);
      else if (news.kind === "ended") {
        kind = kindOfEnd(news);
        operations.push(news.operation);
        if (!isPassive(news)) break;
      } else return { kind: "one", news };
    }
    return kind === null ? null : { kind, operations };
  }

  #skip(news: News): void {
    if (news.kind === "stop") return;
    news.operation.isQueued = false;
    if (news.kind === "took" && news.signal !== null) this.#offer(news.signal);
  }
}

function isWanted(news: News, mayStop: boolean): boolean {
  if (news.kind === "stop") return mayStop;
  const { state, unwound } = news.operation;
  return state === "open" || (state === "dropped" && unwound !== null);
}

function isPassive(news: News): news is Extract<News, { kind: "ended" }> {
  return news.kind === "ended" && news.operation.draft.isPassive === true;
}

function kindOfEnd({ operation }: Extract<News, { kind: "ended" }>): "got" | "did" {
  return isLocalEnd(operation.ended) ? "did" : "got";
}

/** Whether a step ended as a function of this process. */
export function isLocalEnd(ended: Operation["ended"]): ended is LocalEnd {
  return ended !== null && "kind" in ended;
}
