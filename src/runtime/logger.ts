// The logger that Millrace writes to: pino's shape, so that pino or anything like it fits.
import { pino } from "pino";
import type { LogLevel } from "../core/job.ts";

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

/** The default logger: JSON lines on standard output. */
export function createLogger(level: LogLevel | "silent" = "info"): Logger {
  return pino({ level, base: null });
}

/** Whether lines of a level are worth building. */
export function isEnabled(logger: Logger, level: LogLevel): boolean {
  return logger.isLevelEnabled?.(level) ?? true;
}
