// Loads `node:sqlite` without the warning that Node 22 prints for it.
import type { DatabaseSync, StatementSync } from "node:sqlite";

export type Database = DatabaseSync;
export type Statement = StatementSync;

type Driver = NonNullable<ReturnType<typeof process.getBuiltinModule<"node:sqlite">>>;

let driver: Driver | undefined;

/** The driver; a static import would print an ExperimentalWarning on Node 22, on each thread. */
export function loadDriver(): Driver {
  if (driver !== undefined) return driver;
  const original = Object.getOwnPropertyDescriptor(process, "emitWarning");
  const emit = process.emitWarning.bind(process) as (...args: readonly unknown[]) => void;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    const text = typeof warning === "string" ? warning : warning.message;
    if (!text.includes("SQLite")) emit(warning, ...rest);
  };
  try {
    driver = process.getBuiltinModule("node:sqlite");
  } finally {
    if (original !== undefined) Object.defineProperty(process, "emitWarning", original);
  }
  return driver;
}
