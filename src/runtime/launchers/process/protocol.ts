// The process protocol: what a program is told on its standard input and may say on its standard output, line by line.
import { LOG_LEVELS, type LogLevel } from "../../../core/job.ts";
import { MAX_VALUE_BYTES } from "../../../core/limits.ts";
import type { LaunchRequest } from "../launcher.ts";

/** The first line of a program that speaks the protocol, in this version. */
const HELLO = 1;
/** Longest line: a value of the largest size, and what is around it. */
export const MAX_LINE_BYTES: number = MAX_VALUE_BYTES + 4_096;
/** Exit codes with a meaning of their own; all others above 0 are failures that may be tried again. */
export const EXIT = {
  ok: 0,
  /** `EX_DATAERR` of sysexits: the job can't succeed, ever. */
  fatal: 65,
  /** `EX_TEMPFAIL` of sysexits: try again. */
  retry: 75,
} as const;

/** What a program says. */
export type Said =
  | { readonly kind: "hello" }
  | { readonly kind: "progress"; readonly value: unknown }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "result"; readonly value: unknown }
  | {
      readonly kind: "error";
      readonly message: string;
      readonly isFatal: boolean;
      readonly retryAfterMs: number | undefined;
      readonly pushBack: string | undefined;
    }
  | { readonly kind: "snooze"; readonly delayMs: number; readonly pushBack: string | undefined };

/** What is wrong with a line, and the section of docs/process-protocol.md that says so. */
export interface Mistake {
  readonly section: string;
  readonly problem: string;
}

/** Whether a program's first line says that it speaks the protocol. */
export function isHello(line: string): boolean {
  if (!line.startsWith("{")) return false;
  const value = parseObject(line);
  return value !== undefined && value["millrace"] === HELLO;
}

/** Reads a line after the first. */
export function readLine(line: string): Said | Mistake {
  const value = parseObject(line);
  if (value === undefined) return mistake("3", `is not a JSON object: ${shorten(line)}`);
  switch (value["kind"]) {
    case "progress":
      return "value" in value
        ? { kind: "progress", value: value["value"] }
        : mistake("3.1", "a progress line has no value");
    case "log":
      return readLog(value);
    case "result":
      return "value" in value
        ? { kind: "result", value: value["value"] }
        : mistake("3.3", "a result line has no value");
    case "error":
      return readError(value);
    case "snooze":
      return readSnooze(value);
    default:
      return value["millrace"] === HELLO
        ? mistake("2", "the hello line comes once, first")
        : mistake("3", `has the unknown kind ${JSON.stringify(value["kind"])}`);
  }
}

/** Whether what was read is a mistake. */
export function isMistake(read: Said | Mistake): read is Mistake {
  return "problem" in read;
}

/** The line that tells a program its job. */
export function jobLine(request: LaunchRequest): string {
  const { job, inputText, timeoutMs } = request;
  const head = JSON.stringify({
    kind: "job",
    ...job,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return `${head.slice(0, -1)},"input":${inputText}}\n`;
}

/** The line that asks a program to end its job. */
export function cancelLine(reason: unknown): string {
  const { code, message } = reason as { code?: unknown; message?: unknown };
  return `${JSON.stringify({ kind: "cancel", code, message })}\n`;
}

function readLog(value: Record<string, unknown>): Said | Mistake {
  const { level = "info", message, fields = {} } = value;
  if (typeof message !== "string") return mistake("3.2", "a log line has no message text");
  const known = LOG_LEVELS.find((name) => name === level);
  if (known === undefined) {
    return mistake(
      "3.2",
      `a log line has the level ${JSON.stringify(level)}; expected one of ${LOG_LEVELS.join(", ")}`,
    );
  }
  if (typeof fields !== "object" || fields === null) {
    return mistake("3.2", "a log line has fields that are not an object");
  }
  return { kind: "log", level: known, message, fields: fields as Record<string, unknown> };
}

function readError(value: Record<string, unknown>): Said | Mistake {
  const { message, fatal = false, retryAfterMs, pushBack } = value;
  if (typeof message !== "string") return mistake("3.4", "an error line has no message text");
  if (typeof fatal !== "boolean")
    return mistake("3.4", "an error line has a fatal that is not true or false");
  if (retryAfterMs !== undefined && !isDelay(retryAfterMs)) {
    return mistake(
      "3.4",
      "an error line has a retryAfterMs that is not a number of milliseconds from 0",
    );
  }
  if (pushBack !== undefined && (typeof pushBack !== "string" || retryAfterMs === undefined)) {
    return mistake(
      "3.4",
      "an error line has a pushBack that is not the name of a limit, or has no retryAfterMs beside it",
    );
  }
  return { kind: "error", message, isFatal: fatal, retryAfterMs, pushBack };
}

function readSnooze({ delayMs, pushBack }: Record<string, unknown>): Said | Mistake {
  if (!isDelay(delayMs)) {
    return mistake("3.5", "a snooze line needs delayMs, a number of milliseconds from 0");
  }
  if (pushBack !== undefined && typeof pushBack !== "string") {
    return mistake("3.5", "a snooze line has a pushBack that is not the name of a limit");
  }
  return { kind: "snooze", delayMs, pushBack };
}

function isDelay(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function mistake(section: string, problem: string): Mistake {
  return { section, problem };
}

function shorten(text: string): string {
  return JSON.stringify(text.length <= 80 ? text : `${text.slice(0, 80)}…`);
}
