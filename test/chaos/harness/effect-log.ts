// The oracle's memory: append-only files outside the system under test, each line one write that can't be torn.
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Something a handler did, told by the handler itself. */
export interface Effect {
  /** `start`: the handler began; `effect`: it did what it is for. */
  readonly kind: "start" | "effect";
  readonly id: string;
  /** The number that the producer gave the job: known even where an acknowledgement was lost. */
  readonly number: number;
  readonly attempt: number;
  readonly token: string;
  readonly pid: number;
  /** On the clock that all processes of the machine share. */
  readonly atMs: number;
}

/** A promise that the system made to a producer. */
export interface Acknowledgement {
  readonly number: number;
  readonly id: string;
}

/** Milliseconds on a monotonic clock that all processes of the machine share. */
export function machineNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * The logs of one run, in a directory. Any number of processes append to them at once: a line is a single write with
 * O_APPEND, which the system puts at the end as a whole.
 */
export class EffectLog implements Disposable {
  readonly #effects: number;
  readonly #promises: number;
  /** Jobs that did what they are for, as far as this object was told. */
  readonly done: Set<string> = new Set();

  constructor(directory: string) {
    this.#effects = openForAppend(join(directory, EFFECTS_FILE));
    this.#promises = openForAppend(join(directory, PROMISES_FILE));
  }

  effect(effect: Omit<Effect, "pid" | "atMs">): void {
    const { kind, id, number, attempt, token } = effect;
    const words = [kind, id, number, attempt, token, process.pid, machineNowMs()];
    writeSync(this.#effects, `${words.join(" ")}\n`);
    if (kind === "effect") this.done.add(id);
  }

  /** Before a job is enqueued: from now on it may exist. */
  intend(number: number): void {
    writeSync(this.#promises, `want ${number}\n`);
  }

  /** After an enqueue returned: from now on it must be run. */
  acknowledge({ number, id }: Acknowledgement): void {
    writeSync(this.#promises, `kept ${number} ${id}\n`);
  }

  /** After its result was handed out: from now on it must not be run again. */
  complete({ number, id }: Acknowledgement): void {
    writeSync(this.#promises, `done ${number} ${id}\n`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#effects);
    closeSync(this.#promises);
  }
}

const EFFECTS_FILE = "effects.log";
const PROMISES_FILE = "promises.log";

function openForAppend(path: string): number {
  return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o644);
}

/** Whether a path is that of a file of promises. */
export function isPromisesFile(path: string): boolean {
  return path.endsWith(`/${PROMISES_FILE}`);
}

export function readEffects(directory: string): readonly Effect[] {
  return linesOf(join(directory, EFFECTS_FILE)).map((line) => {
    const [kind, id = "", number, attempt, token = "", pid, atMs] = line.split(" ");
    return {
      kind: kind === "start" ? "start" : "effect",
      id,
      number: Number(number),
      attempt: Number(attempt),
      token,
      pid: Number(pid),
      atMs: Number(atMs),
    };
  });
}

export interface Promises {
  readonly intended: ReadonlySet<number>;
  readonly acknowledged: readonly Acknowledgement[];
  /** Jobs whose result the producer was given. */
  readonly completed: readonly Acknowledgement[];
}

export function readPromises(directory: string): Promises {
  return parsePromises(linesOf(join(directory, PROMISES_FILE)));
}

export function parsePromises(lines: readonly string[]): Promises {
  const intended = new Set<number>();
  const acknowledged: Acknowledgement[] = [];
  const completed: Acknowledgement[] = [];
  for (const line of lines) {
    const [kind, number, id = ""] = line.split(" ");
    if (kind === "want") intended.add(Number(number));
    else (kind === "done" ? completed : acknowledged).push({ number: Number(number), id });
  }
  return { intended, acknowledged, completed };
}

/** A line without its end was never a line: its writer died, or the power did. */
function linesOf(path: string): readonly string[] {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}
