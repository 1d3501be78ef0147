// Groups: which of the calls that wait share the next transaction.
import type { Call, Methods } from "./messages.ts";
import { countSettlements } from "./wire.ts";

/** A call that waits for its turn. */
export interface Pending {
  readonly call: Call;
  /** When it is given up, by the monotonic clock. */
  readonly deadlineMs: number;
}

/**
 * Most jobs touched by one transaction, counted by what its calls ask for: about 50 ms, after which other processes
 * get the lock and callers their answers. A single call may be more than that.
 */
const MAX_GROUP_WEIGHT = 5_000;

/** Takes the next group from the front of those that wait: at least one call. */
export function cutGroup(waiting: Pending[]): readonly Pending[] {
  let weight = 0;
  let count = 0;
  for (const { call } of waiting) {
    weight += weightOf(call);
    if (count > 0 && weight > MAX_GROUP_WEIGHT) break;
    count += 1;
  }
  return waiting.splice(0, count);
}

function weightOf({ method, request }: Call): number {
  if (method === "enqueue") return (request as Methods["enqueue"]["request"]).jobs.length;
  if (method === "sweep") return (request as Methods["sweep"]["request"]).limit;
  if (method !== "exchange") return 1;
  const packed = request as Methods["exchange"]["request"];
  const { advances, claim } = packed;
  return countSettlements(packed) + (advances?.weight ?? 0) + (claim?.capacity ?? 0);
}
