// The logger that Millrace writes to: pino's shape, so that pino or anything like it fits.
import { pino } from "pino";
import type { LogLevel } from "../../core/job.ts";
import { formatLogLine } from "./log-text.ts";

/** What Millrace needs of a logger: pino's methods, fields first. */
export interface Logger {
  trace(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
  /** Where there is one, lines below the level are not even built. */
  isLevelEnabled?(level: string): boolean;
}

const nothing = (): void => {};

/** A logger that says nothing. */
export const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
  isLevelEnabled: () => false,
};

/** How lines of the default logger look: JSON for programs, text for people. */
export type LogFormat = "json" | "text";

/** Every {@link LogFormat}. */
export const LOG_FORMATS: readonly ["json", "text"] = ["json", "text"];

/**
 * The default logger, on standard output: JSON lines, or text where standard output is a terminal.
 *
 * @example
 * const mill = await openMillrace({ logger: createLogger("warn", "json"), jobs });
 */
export function createLogger(
  level: LogLevel | "silent" = "info",
  format: LogFormat = process.stdout.isTTY ? "text" : "json",
): Logger {
  if (format === "json") return pino({ level, base: null });
  // Pino's own destination, because it lets a reader that went away end the lines and not the process.
  const output = pino.destination(1);
  return pino({ level, base: null }, { write: (line) => void output.write(formatLogLine(line)) });
}

/** Whether lines of a level are worth building. */
export function isEnabled(logger: Logger, level: LogLevel): boolean {
  return logger.isLevelEnabled?.(level) ?? true;
}
