// Loss of power: replays the record of what a program wrote and flushed, up to any moment, on a disk that forgets.
// `kill -9` proves nothing here: what was written is safe in the page cache of a system that lives on.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { DiskModel, type Unflushed } from "./disk-model.ts";
import { type Promises, isPromisesFile, parsePromises } from "./effect-log.ts";
import type { Random } from "./random.ts";
import { TraceReader, type TracedCall, bytesOf, pathOfDescriptor } from "./strace.ts";

/** What is left after one loss of power. */
export interface Aftermath {
  readonly unflushed: Unflushed;
  /** The files, by name, as they are found. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What the program had promised by then: its word had left the machine. */
  readonly promises: Promises;
}

export interface CutOptions {
  /** Made by {@link tracedTo}. */
  readonly trace: string;
  /** The directory whose files are on the disk that loses power. */
  readonly directory: string;
  readonly cuts: number;
  readonly random: Random;
}

/** Cuts the power at moments between two lines of the trace, chosen at random, in the order of time. */
export function* cutPower({ trace, directory, cuts, random }: CutOptions): Generator<Aftermath> {
  const lines = readFileSync(trace, "utf8").split("\n").slice(0, -1);
  const moments = Array.from({ length: cuts }, () => random.integer(1, lines.length));
  moments.sort((a, b) => a - b);
  const replay = new Replay(directory);
  let read = 0;
  for (const moment of moments) {
    for (; read < moment; read += 1) replay.read(lines[read] ?? "");
    const unflushed: Unflushed = random.next() < 0.5 ? "none" : "random-sectors";
    const files = replay.disk.afterPowerLoss(unflushed, random);
    yield { unflushed, files, promises: parsePromises(replay.promised()) };
  }
}

/** Puts what was found into a directory, as the next start of the program finds it. */
export function restore(aftermath: Aftermath, directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of aftermath.files) {
    // Shared memory is no file of the disk: SQLite makes its -shm anew.
    if (!name.endsWith("-shm")) writeFileSync(join(directory, name), bytes);
  }
}

class Replay {
  readonly disk = new DiskModel();
  readonly #directory: string;
  readonly #calls = new TraceReader();
  /** Changes that an fsync in progress covers, by the line on which it began. */
  readonly #covered = new Map<number, number>();
  #line = 0;
  #promised = "";

  constructor(directory: string) {
    this.#directory = `${directory}/`;
  }

  promised(): readonly string[] {
    return this.#promised.split("\n").slice(0, -1);
  }

  read(line: string): void {
    const beginning = TraceReader.beginning(line);
    if (beginning !== null && isFlush(beginning.name)) {
      const file = this.#fileOf(pathOfDescriptor(beginning.arguments));
      if (file !== null) this.#covered.set(this.#line, this.disk.changesOf(file));
    }
    const call = this.#calls.read(line);
    if (call !== null && call.result >= 0) this.#apply(call);
    this.#line += 1;
  }

  #apply(call: TracedCall): void {
    const path = call.name.startsWith("unlink") ? quoted(call) : pathOfDescriptor(call.arguments);
    if (call.name === "write" && path !== null && isPromisesFile(path)) {
      this.#promised += Buffer.from(bytesOf(stringOf(call))).toString();
      return;
    }
    const file = this.#fileOf(path);
    if (file === null) return;
    const numbers = call.arguments.slice(call.arguments.lastIndexOf('"') + 1).match(/\d+/g) ?? [];
    if (call.name === "pwrite64") {
      this.disk.write(
        file,
        Number(numbers.at(-1)),
        bytesOf(stringOf(call)).subarray(0, call.result),
      );
    } else if (call.name === "ftruncate") {
      this.disk.truncate(file, Number(numbers.at(-1)));
    } else if (call.name.startsWith("unlink")) {
      this.disk.remove(file);
    } else if (isFlush(call.name)) {
      this.disk.flush(file, this.#covered.get(call.began) ?? this.disk.changesOf(file));
    } else {
      throw new Error(`the disk model does not know what ${call.name} does to ${file}`);
    }
  }

  /** The name of a file on the disk that loses power; `null` for any other, and for the directory itself. */
  #fileOf(path: string | null): string | null {
    return path?.startsWith(this.#directory) === true ? basename(path) : null;
  }
}

function isFlush(name: string): boolean {
  return name === "fsync" || name === "fdatasync";
}

/** The first string among the arguments, still in hex. */
function stringOf(call: TracedCall): string {
  return /"((?:\\x[0-9a-f]{2})*)"/.exec(call.arguments)?.[1] ?? "";
}

function quoted(call: TracedCall): string {
  return Buffer.from(bytesOf(stringOf(call))).toString();
}
