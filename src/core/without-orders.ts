// What a store says that can't carry out operators' orders: it lacks the capabilities "bulk", "places" and "drain".
import { MillraceError } from "./errors.ts";
import { EXAMINED_PARTS } from "./matching.ts";
import type { Capability } from "./store-description.ts";
import type { JobFilter, SetPaused, Store } from "./store.ts";

/** The capabilities that operators' orders need. */
export const ORDER_CAPABILITIES: readonly Capability[] = ["bulk", "requeue", "places", "drain"];

const NEW_PARTS = [...EXAMINED_PARTS, "createdFromMs", "createdBeforeMs"] as const;

/**
 * The methods about orders of a store that has none: each rejects.
 *
 * @throws MillraceError `UNSUPPORTED`, from every method
 */
export function withoutOrders(kind: string): Pick<Store, "change" | "changeMatching" | "places"> {
  const refuse = async (): Promise<never> => {
    throw lacking(kind, "bulk");
  };
  return { change: refuse, changeMatching: refuse, ...withoutPlaces(kind) };
}

/**
 * The method about places of a store that can't tell them: it rejects.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function withoutPlaces(kind: string): Pick<Store, "places"> {
  return {
    places: async () => {
      throw lacking(kind, "places");
    },
  };
}

/**
 * Refuses the parts of a filter that need the capability `bulk`.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function refuseNewParts(kind: string, filter: JobFilter): void {
  if (NEW_PARTS.some((part) => filter[part] !== undefined)) throw lacking(kind, "bulk");
}

/**
 * Refuses to let a queue drain.
 *
 * @throws MillraceError `UNSUPPORTED`
 */
export function refuseDraining(kind: string, request: SetPaused): void {
  if (request.draining !== undefined) throw lacking(kind, "drain");
}

function lacking(kind: string, capability: string): MillraceError {
  return new MillraceError("UNSUPPORTED", {
    message: `the ${kind} store can't do this; use one that has the capability "${capability}"`,
  });
}
