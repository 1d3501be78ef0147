// How long a worker counts as young: what kills it then is mostly nothing that it runs.
import type { ClaimRequest, ExchangeReply } from "../../core/store.ts";

/*
 * Workers die mostly as they begin: a deploy that is taken back, a port in use, a database that does not answer, an
 * operator or a scheduler that kills what it just started. A worker that has only begun is also idle, and an idle worker
 * is what a job is given to that may be killing its workers. Without an age those two meet: such a job was handed to one
 * young worker after the other, and was charged with deaths that had nothing to do with it.
 */

/** By then a process has mostly failed that is going to fail as it starts. */
const LONGEST_YOUTH_MS = 5_000;

/** What is left of a worker's youth: a lease's time, at most {@link LONGEST_YOUTH_MS}. Times are of a monotonic clock. */
export function youthLeftMs(bornAtMs: number, leaseDurationMs: number, nowMs: number): number {
  return Math.max(0, bornAtMs + Math.min(leaseDurationMs, LONGEST_YOUTH_MS) - nowMs);
}

/** When a worker that got less than it asked for looks again: also when it is young no longer; `null`: not by time. */
export function lookAgainInMs(
  { isYoung }: Pick<ClaimRequest, "isYoung">,
  reply: ExchangeReply,
  leftMs: number,
): number | null {
  if (isYoung !== true) return reply.lookAgainInMs;
  return Math.min(leftMs, reply.lookAgainInMs ?? leftMs);
}

/** What a claim says of its worker's age. */
export function ageOf(leftMs: number): Pick<ClaimRequest, "isYoung"> {
  return leftMs > 0 ? { isYoung: true } : {};
}
