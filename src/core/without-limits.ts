// What a store says that can't hold limits over its workers: it lacks the capability "limits".
import { MillraceError } from "./errors.ts";
import type { Store } from "./store.ts";

/**
 * The methods about limits of a store that has none. Changing one rejects; there are none to be told of.
 *
 * @throws MillraceError `UNSUPPORTED`, from `setLimits` and `releaseHold`
 */
export function withoutLimits(kind: string): Pick<Store, "setLimits" | "releaseHold" | "limits"> {
  const refuse = async (): Promise<never> => {
    throw new MillraceError("UNSUPPORTED", {
      message: `the ${kind} store can't hold limits over all workers; use one that has the capability "limits"`,
    });
  };
  return {
    setLimits: refuse,
    releaseHold: refuse,
    limits: async () => [],
  };
}
