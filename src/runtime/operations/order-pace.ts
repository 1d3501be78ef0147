// The pace of jobs that an order brings back at a rate, over all the calls that carry it out.
import type { JobOrder } from "../../core/orders.ts";
import type { Store } from "../../core/store.ts";

/** How far an order is, by the store's time. */
export interface Pace {
  /** The time from which its jobs were counted in the call before; `undefined`: there was none. */
  readonly fromMs: number | undefined;
  readonly changed: number;
  readonly nowMs: number;
}

/**
 * The time from which the next call counts the jobs of an order with a rate. One moment for all calls, or what finding
 * the jobs takes would slow the rate down: 500 jobs at 50 a second took 10.04 s. But where finding them takes longer than
 * their rate, the next is due now: what was lost is not made up for in a burst.
 */
export function pacedFrom(everyMs: number, { fromMs, changed, nowMs }: Pace): number {
  return Math.max(fromMs ?? nowMs, nowMs - changed * everyMs);
}

/** The order that each call of a step carries out. */
export interface PacedOrder {
  /** For the next call. */
  next(changed: number): JobOrder | null;
  /** The time from which the last call counted its jobs; `undefined`: the order has no rate. */
  readonly fromMs: number | undefined;
}

/** Keeps the pace of an order, from where the step before left it. `null`: nothing is changed, and nothing to be kept. */
export async function paceOrder(
  store: Pick<Store, "describe">,
  order: JobOrder | null,
  before: number | undefined,
): Promise<PacedOrder> {
  const everyMs = order?.kind === "retry" ? (order.everyMs ?? 0) : 0;
  if (order?.kind !== "retry" || everyMs <= 0) return { next: () => order, fromMs: undefined };
  const { nowMs } = await store.describe();
  const askedAtMs = performance.now();
  let fromMs = before;
  return {
    next: (changed) => {
      const passedMs = Math.floor(performance.now() - askedAtMs);
      fromMs = pacedFrom(everyMs, { fromMs, changed, nowMs: nowMs + passedMs });
      return { ...order, fromMs };
    },
    get fromMs() {
      return fromMs;
    },
  };
}
