// Loss of power for an append-only file: what is left of it is what was there at the last fsync that had ended by then.
import { cpSync, mkdirSync, readFileSync, readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";

const APPEND_DIRECTORY = "appendonlydir";
const GROWING_FILE = /\.incr\.aof$/;

/** Runs a server and writes down when its files were written and flushed; the server stays the process started. */
export function flushesTracedTo(file: string): readonly string[] {
  // -D: the tracer is no parent of the server; -ttt, -T: when a call began and how long it took; -y: paths.
  const options = ["-D", "-f", "-q", "-ttt", "-T", "-y", "-s", "0", "-o", file];
  return ["strace", ...options, "-e", "trace=write,fsync,fdatasync"];
}

/** An fsync that ended: from then on so many bytes of the file are there for sure. */
interface Flush {
  readonly endedAtMs: number;
  readonly bytes: number;
}

/** The growing append-only file of one server's life, as its trace tells. Times are milliseconds since 1970. */
export interface TracedFile {
  readonly flushes: readonly Flush[];
  readonly beganAtMs: number;
  readonly endedAtMs: number;
}

const LINE = /^(?<thread>\d+)\s+(?<seconds>\d+\.\d+) (?<text>.*)$/;
const BEGINNING = /^(?<call>write|fsync|fdatasync)\(\d+<(?<path>[^>]*)>/;
const END = /= (?<result>-?\d+)(?: \w+ \([^)]*\))?(?: <(?<took>[\d.]+)>)?$/;

/** Reads a trace. A flush covers what was written before it began: while it runs, others write. */
export function readTrace(trace: string): TracedFile {
  const flushes: Flush[] = [];
  const underWay = new Map<string, { readonly call: string; readonly covered: number }>();
  let bytes = 0;
  const times: number[] = [];
  for (const line of readFileSync(trace, "utf8").split("\n")) {
    const { thread = "", seconds = "", text = "" } = LINE.exec(line)?.groups ?? {};
    if (text === "") continue;
    const atMs = Number(seconds) * 1_000;
    times.push(atMs);
    const beginning = BEGINNING.exec(text)?.groups;
    if (beginning !== undefined && GROWING_FILE.test(beginning["path"] ?? "")) {
      underWay.set(thread, { call: beginning["call"] ?? "", covered: bytes });
    }
    const end = END.exec(text)?.groups;
    const call = underWay.get(thread);
    if (end === undefined || call === undefined) continue;
    underWay.delete(thread);
    const result = Number(end["result"]);
    if (call.call === "write") bytes += Math.max(0, result);
    else if (result === 0) {
      // A call on one line is dated by its beginning, one in two parts by its end.
      const tookMs = beginning === undefined ? 0 : Number(end["took"] ?? 0) * 1_000;
      flushes.push({ endedAtMs: atMs + tookMs, bytes: call.covered });
    }
  }
  return { flushes, beganAtMs: times[0] ?? 0, endedAtMs: times.at(-1) ?? 0 };
}

/** Puts into a directory what a server's files are after a loss of power at a moment. */
export function restoreAt(atMs: number, { flushes }: TracedFile, from: string, into: string): void {
  const bytes = flushes.reduce(
    (most, flush) => (flush.endedAtMs <= atMs ? Math.max(most, flush.bytes) : most),
    0,
  );
  mkdirSync(into, { recursive: true });
  cpSync(join(from, APPEND_DIRECTORY), join(into, APPEND_DIRECTORY), { recursive: true });
  for (const file of readdirSync(join(into, APPEND_DIRECTORY))) {
    if (GROWING_FILE.test(file)) truncateSync(join(into, APPEND_DIRECTORY, file), bytes);
  }
}
