// The names of what a job type says to a launcher: those that it does not have are refused.
import { type AnyOptionNames, checkNames } from "../../core/arguments.ts";

/**
 * Checks the names of a job type's `launch.options`. What is no object is left to the launcher that reads it.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkLaunchNames(options: unknown, type: string, names: AnyOptionNames): void {
  if (typeof options !== "object" || options === null) return;
  checkNames({ launch: { options } }, `job type ${type}`, { launch: { options: names } });
}
