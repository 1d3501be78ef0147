// The children of a run: enqueued, or handed to the run's own worker by the act that enqueues them.
import type { JobId } from "../../../core/ids.ts";
import type { ChildJob } from "../../../core/run.ts";
import type { Context } from "../context.ts";
import { enqueue, enqueueClaimed } from "../enqueue.ts";
import type { Lane } from "../lanes.ts";
import { isLimited, noteQueueStarts } from "../flow/limits.ts";
import { findWorkerNumber } from "../worker-names.ts";

const HAS_READY =
  "SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NULL AND grp IS NULL LIMIT 1";
const HAS_SUSPECT =
  "SELECT 1 FROM jobs WHERE lane = ? AND state = 1 AND company IS NOT NULL LIMIT 1";
const IS_MINE = `SELECT 1 FROM jobs WHERE namespace = ? AND id = unhex(?, '-') AND state = 2 AND token = ?`;
const WAS_TOLD =
  "SELECT 1 FROM runs WHERE namespace = ? AND run = unhex(?, '-') AND key = unhex(?, '-')";
const NO_LABELS: readonly string[] = [];

/** Keeps the children of the runs of one worker, in one exchange. */
export class HandOver {
  readonly #context: Context;
  readonly #worker: string;
  readonly #workerNo: number | null;
  /** Whether it may be given what it does not run yet: who runs suspects may be given nothing beside them. */
  readonly #isFree: boolean;
  /** Lanes in which others wait: none of them is claimed before the exchange has kept all children. */
  readonly #crowded = new Set<Lane>();

  constructor(context: Context, worker: string) {
    this.#context = context;
    this.#worker = worker;
    const workerNo = findWorkerNumber(context, worker);
    this.#workerNo = workerNo;
    this.#isFree = workerNo !== null && !context.suspectWorkers.has(workerNo);
  }

  /** `true`: the child is claimed by its parent's owner. */
  keep(parent: JobId, child: ChildJob): boolean {
    const context = this.#context;
    const { token } = child;
    if (child.isAgain === true && this.#wasTold(parent, child.id)) return false;
    if (token === undefined) {
      enqueue(context, [{ ...child, parent }]);
      return false;
    }
    const lane = context.lanes.of(child.queue, child.type, child.labels ?? NO_LABELS);
    if (this.#workerNo !== null && this.#mayPass(child, lane)) {
      const claim = { parent, token, worker: this.#worker, workerNo: this.#workerNo };
      if (enqueueClaimed(context, lane, { ...child, ...claim })) {
        // Nothing else is claimed so where there are limits.
        if (child.isBegun === true) noteQueueStarts(context, child.queue, 1);
        return true;
      }
    }
    const [reply] = enqueue(context, [{ ...child, parent }]);
    const { connection, namespace } = context;
    return (
      reply?.isNew === false &&
      reply.state === "running" &&
      connection.first(IS_MINE, namespace, child.id, token) !== undefined
    );
  }

  /** Whether a run knows of the end of a job. */
  #wasTold(run: JobId, child: JobId): boolean {
    const { connection, namespace } = this.#context;
    return connection.first(WAS_TOLD, namespace, run, child) !== undefined;
  }

  #mayPass(child: ChildJob, lane: Lane): boolean {
    const context = this.#context;
    // What has a time, a key or a bound of its own is for a claim to judge.
    if (child.runAtMs !== undefined || (child.delayMs ?? 0) > 0) return false;
    if (child.keys !== undefined || child.unique !== undefined) return false;
    if (child.idempotency !== undefined || child.expireAfterMs !== undefined) return false;
    if (child.isBegun === true) return true;
    if (!this.#isFree || context.paused.has(child.queue)) return false;
    return !isLimited(context, child.queue) && !this.#isCrowded(lane);
  }

  /** Whether others of its lane wait: they come first. */
  #isCrowded(lane: Lane): boolean {
    if (lane.isKeyed && lane.mayHaveTurns) return true;
    if (!lane.mayBeReady && !lane.mayBeSuspect) return false;
    if (this.#crowded.has(lane)) return true;
    const { connection } = this.#context;
    lane.mayBeReady = connection.first(HAS_READY, lane.no) !== undefined;
    lane.mayBeSuspect = connection.first(HAS_SUSPECT, lane.no) !== undefined;
    if (!lane.mayBeReady && !lane.mayBeSuspect) return false;
    this.#crowded.add(lane);
    return true;
  }
}
