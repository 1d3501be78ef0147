// What a store says that can't keep schedules: it lacks the capability "schedules".
import { MillraceError } from "./errors.ts";
import type { Store } from "./store.ts";

/**
 * The methods about schedules of a store that has none: each rejects.
 *
 * @throws MillraceError `UNSUPPORTED`, from every method
 */
export function withoutSchedules(
  kind: string,
): Pick<Store, "changeSchedules" | "schedules" | "tick"> {
  const refuse = async (): Promise<never> => {
    throw new MillraceError("UNSUPPORTED", {
      message: `the ${kind} store can't keep schedules; use one that has the capability "schedules"`,
    });
  };
  return { changeSchedules: refuse, schedules: refuse, tick: refuse };
}
