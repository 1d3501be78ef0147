// A job's log lines as BullMQ keeps them: as text that a dashboard of BullMQ's shows as it is.
import { LOG_LEVELS, type LogLevel } from "../../core/job.ts";
import { MAX_LOG_LINE_LENGTH } from "../../core/limits.ts";
import type { NewLogLine } from "../../core/store.ts";

const LINE = new RegExp(
  `^\\[(?<at>[^\\]]+)\\] (?<level>${LOG_LEVELS.join("|")}): (?<message>[^]*)$`,
);

/** `[2026-03-01T10:00:00.000Z] info: the message` */
export function writeLogLine({ level, message, atMs }: NewLogLine): string {
  return `[${new Date(atMs).toISOString()}] ${level}: ${message.slice(0, MAX_LOG_LINE_LENGTH)}`;
}

/** Reads a line; one that another producer wrote has level `info` and no time of its own. */
export function readLogLine(text: string): NewLogLine {
  const { at, level, message } = LINE.exec(text)?.groups ?? {};
  const atMs = Date.parse(at ?? "");
  return message === undefined || Number.isNaN(atMs)
    ? { level: "info", message: text, atMs: 0 }
    : { level: level as LogLevel, message, atMs };
}
