// What a run was told by others: how its children ended, and signals that nobody has taken yet.
import type { JobId } from "../../core/ids.ts";
import type { Ending, RunFact, SignalBody } from "../../core/run.ts";

class Heard {
  readonly keys = new Set<JobId>();
  readonly endings = new Map<JobId, Ending>();
  readonly signals = new Map<JobId, SignalBody>();
}

/** The facts of one run, each kept once. */
export class Facts {
  /** Made with the first fact: most runs hear of none. */
  #heard: Heard | null = null;
  #length = 0;

  /** How many were ever heard. */
  get size(): number {
    return this.#heard?.keys.size ?? 0;
  }

  /** What was heard, in UTF-16 units. */
  get length(): number {
    return this.#length;
  }

  /** Keeps a fact. `false`: it was known. */
  add({ key, kind, body }: RunFact): boolean {
    const heard = (this.#heard ??= new Heard());
    if (heard.keys.has(key)) return false;
    heard.keys.add(key);
    this.#length += body.length;
    if (kind === "ended") heard.endings.set(key, JSON.parse(body) as Ending);
    else heard.signals.set(key, JSON.parse(body) as SignalBody);
    return true;
  }

  /** Keeps the end of a child before the store has it; `length`: of its result. `false`: it was known. */
  addEnding(child: JobId, ending: Ending, length: number): boolean {
    const heard = (this.#heard ??= new Heard());
    if (heard.keys.has(child)) return false;
    heard.keys.add(child);
    this.#length += length;
    heard.endings.set(child, ending);
    return true;
  }

  /** What a child came to was read. */
  setEnding(child: JobId, ending: Ending): void {
    this.#heard?.endings.set(child, ending);
  }

  endingOf(child: JobId | null): Ending | undefined {
    return child === null ? undefined : this.#heard?.endings.get(child);
  }

  /** The signals of a name that nobody has taken, oldest first. */
  signalsNamed(name: string): readonly JobId[] {
    const found: JobId[] = [];
    if (this.#heard === null) return found;
    for (const [key, body] of this.#heard.signals) if (body.name === name) found.push(key);
    return found;
  }

  signal(key: JobId | null): SignalBody | undefined {
    return key === null ? undefined : this.#heard?.signals.get(key);
  }

  /** Takes a signal, so that no other wait gets it. */
  takeSignal(key: JobId): SignalBody | undefined {
    const body = this.#heard?.signals.get(key);
    this.#heard?.signals.delete(key);
    return body;
  }
}
