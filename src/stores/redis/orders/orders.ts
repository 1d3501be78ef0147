// Operators' orders: each job is read, core decides, and a guarded write carries it out if nothing changed.
import type { JobChange } from "../../../core/events.ts";
import type { JobId } from "../../../core/ids.ts";
import { isTerminal } from "../../../core/job.ts";
import { examinedParts } from "../../../core/matching.ts";
import { type JobOrder, type PlainOrder, obey } from "../../../core/orders.ts";
import type {
  CancelJobs,
  ChangeJobs,
  ChangeMatching,
  ChangeReply,
  ChangeStep,
} from "../../../core/store.ts";
import { cancelError } from "../../../core/transitions.ts";
import { type Carry, type Decide, carryDecided, changeJobs } from "./changes.ts";
import { type Context, policyOf, storeNowMs } from "../context.ts";
import { type FoundJob, searchJobs } from "../reading.ts";
import { SYMBOLIC_NOW_MS } from "../records.ts";
import { carryTo } from "./requeue.ts";

/** Cancels: what waits at once, what runs by a request to its worker. */
export async function cancelJobs(
  context: Context,
  { ids, reason }: CancelJobs,
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, ids, await carrierOf(context, { kind: "cancel", reason }));
}

/** Makes failed and cancelled jobs ready again. */
export async function retryJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, ids, await carrierOf(context, { kind: "retry" }));
}

/** Removes jobs that do not run. */
export async function removeJobs(
  context: Context,
  ids: readonly JobId[],
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, ids, await carrierOf(context, { kind: "remove" }));
}

/** Carries an order out on jobs by their ids. */
export async function orderJobs(
  context: Context,
  { ids, order }: ChangeJobs,
): Promise<readonly ChangeReply[]> {
  return changeJobs(context, ids, await carrierOf(context, order));
}

/** One step through what a filter fits. */
export async function orderMatching(
  context: Context,
  request: ChangeMatching,
): Promise<ChangeStep> {
  const { filter, order, limit, cursor = null, changedBefore = 0 } = request;
  const carry = order === null ? null : await carrierOf(context, order, changedBefore);
  const found = await searchJobs(context, filter, limit, cursor);
  return {
    matched: found.jobs.length,
    changed: carry === null ? 0 : await changeAll(context, found.jobs, carry),
    examined: found.examined,
    unindexed: examinedParts(filter),
    ...(found.cursor === null ? {} : { cursor: found.cursor }),
  };
}

async function changeAll(
  context: Context,
  jobs: readonly FoundJob[],
  carry: Carry,
): Promise<number> {
  const replies = new Map<JobId, ChangeReply>();
  const again = await carry(jobs, replies);
  // Those that changed under our hands are read once more, and decided anew.
  const others = again.length === 0 ? [] : await changeJobs(context, again, carry);
  return [...replies.values(), ...others].filter(({ changed }) => changed).length;
}

/** How an order is carried out. */
async function carrierOf(context: Context, order: JobOrder, changedBefore = 0): Promise<Carry> {
  if (order.kind === "move") return carryTo(context, order.queue);
  return carryDecided(context, await deciderOf(context, order, changedBefore));
}

/** How an order is decided for one job after the other. */
async function deciderOf(
  context: Context,
  order: PlainOrder,
  changedBefore: number,
): Promise<Decide> {
  const types = await context.types.read();
  const nowMs = needsClock(order) ? await storeNowMs(context) : SYMBOLIC_NOW_MS;
  let place = changedBefore;
  return (job) => {
    const policy = policyOf(types, job.record.type, job.retention);
    const transition = obey(job.record, order, policy, { place, nowMs });
    if (transition.kind === "rejected") return null;
    place += 1;
    const after = transition.job;
    const { worker, token } = job.record;
    if (order.kind === "cancel" && token !== null && worker !== null) {
      const reason = after.cancelRequest?.reason ?? order.reason;
      const extra = { cancel: { graceMs: policy.cancelGraceMs, worker, reason } };
      return { state: after.state, transition, changes: [], extra };
    }
    // A workflow run that is out of memory is made ready, to end by itself.
    if (order.kind === "cancel" && !isTerminal(after.state)) {
      return { state: after.state, transition, changes: [{ kind: "advanced", state: "ready" }] };
    }
    const changes = changesOf(order);
    if (transition.kind === "removed") changes.push({ kind: "removed" });
    const cleared = { suspicion: { strikes: 0, company: 0 } };
    const extra = order.kind === "retry" ? { extra: cleared } : {};
    return { state: after.state, transition, changes, ...extra };
  };
}

/**
 * Whatever is from now is from the script's now; but a time that someone names is compared with the clock, and jobs that
 * come back at a rate are counted from one moment, in whatever rooms they are.
 */
function needsClock(order: PlainOrder): boolean {
  return "runAtMs" in order || (order.kind === "retry" && (order.everyMs ?? 0) > 0);
}

function changesOf(order: PlainOrder): JobChange[] {
  switch (order.kind) {
    case "cancel":
      return [{ kind: "cancelled", error: cancelError(order.reason) }];
    case "retry":
      return [{ kind: "readied", why: "asked" }];
    case "reschedule":
    case "prioritize":
      return [{ kind: "rearranged" }];
    case "remove":
      return [];
  }
}
