// strace, for two things: a record of what a program wrote and flushed, and system calls that fail on purpose.
// It needs no root: a process may trace the children it starts.
import { spawnSync } from "node:child_process";

/** The calls by which files change. */
const FILE_CALLS = "write,pwrite64,ftruncate,unlink,unlinkat,rename,renameat2,fsync,fdatasync";

/** Why strace can't be used here; `null` when it can. */
export function missingStrace(): string | null {
  if (process.platform !== "linux") return "needs Linux (strace)";
  const tried = spawnSync("strace", ["--seccomp-bpf", "-f", "-e", "trace=fsync", "true"]);
  if (tried.error !== undefined) return "needs strace (apt-get install strace)";
  return tried.status === 0
    ? null
    : `needs a strace that may trace: ${String(tried.stderr).trim()}`;
}

/** Runs a command and writes down every change of a file. */
export function tracedTo(file: string): readonly string[] {
  // -xx: every byte in hex; -y: the path beside each descriptor; -s: strings whole.
  const options = ["-f", "--seccomp-bpf", "-xx", "-y", "-s", "16777216", "-o", file];
  return ["strace", ...options, "-e", `trace=${FILE_CALLS}`, "--"];
}

/** Calls that fail on purpose. */
export interface Injection {
  readonly calls: readonly string[];
  readonly error: "EIO" | "ENOSPC";
  /** Only calls on these files, which need not exist yet. */
  readonly paths: readonly string[];
  /** The first call that fails, counted from 1; all after it do too. */
  readonly from: number;
}

/** Runs a command whose system calls fail. */
export function withFailing({ calls, error, paths, from }: Injection): readonly string[] {
  const inject = `inject=${calls.join(",")}:error=${error}:when=${from}+`;
  const only = paths.flatMap((path) => ["-P", path]);
  const options = ["-f", "-qqq", "-o", "/dev/null"];
  return ["strace", ...options, ...only, "-e", `trace=${calls.join(",")}`, "-e", inject, "--"];
}

/** One call of a trace, complete. `began` is the number of the line on which it began. */
export interface TracedCall {
  readonly name: string;
  readonly arguments: string;
  readonly result: number;
  readonly began: number;
}

/** Takes a trace line by line and gives the calls as they end, putting together those that threads interleaved. */
export class TraceReader {
  readonly #unfinished = new Map<string, { readonly text: string; readonly began: number }>();
  #line = 0;

  /** The call that ended on this line; `null` when none did. */
  read(line: string): TracedCall | null {
    const began = this.#line;
    this.#line += 1;
    const [, thread = "", text = ""] = /^(\d+)\s+(.*)$/s.exec(line) ?? [];
    if (text.endsWith(UNFINISHED)) {
      this.#unfinished.set(thread, { text: text.slice(0, -UNFINISHED.length), began });
      return null;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/s.exec(text);
    if (resumed === null) return parseCall(text, began);
    const start = this.#unfinished.get(thread);
    this.#unfinished.delete(thread);
    return start === undefined ? null : parseCall(start.text + (resumed[1] ?? ""), start.began);
  }

  /** Whether this line begins a call that does not end on it: its name and arguments so far. */
  static beginning(line: string): { readonly name: string; readonly arguments: string } | null {
    const [, name, args] = /^\d+\s+(\w+)\((.*)<unfinished \.\.\.>$/s.exec(line) ?? [];
    return name === undefined || args === undefined ? null : { name, arguments: args };
  }
}

const UNFINISHED = " <unfinished ...>";

function parseCall(text: string, began: number): TracedCall | null {
  const [, name, args, result] = /^(\w+)\((.*)\)\s+= (-?\d+)/s.exec(text) ?? [];
  if (name === undefined || args === undefined) return null;
  return { name, arguments: args, result: Number(result), began };
}

/** `\x2f\x74` as bytes. */
export function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll("\\x", ""), "hex");
}

/** The path that strace put beside a descriptor, `22<\x2f...>`; `null` where there is none. */
export function pathOfDescriptor(argument: string): string | null {
  const hex = /^\d+<((?:\\x[0-9a-f]{2})+)>/.exec(argument)?.[1];
  return hex === undefined ? null : Buffer.from(bytesOf(hex)).toString();
}
