// Looks after the store at intervals: dead workers' jobs, overdue cancellations, expiry, retention.
import type { Store, SweepReply } from "../../core/store.ts";
import type { Logger } from "../logging/logger.ts";
import { startTimer } from "../timer.ts";

/** Most jobs handled in one step: a step of this size takes a few milliseconds, so work goes on beside it. */
const SWEEP_LIMIT = 500;
/** Processes that start together must not sweep together: each interval is up to this much shorter, never longer. */
const JITTER = 0.2;

export interface Sweeper {
  start(): void;
  stop(): Promise<void>;
}

export function createSweeper(options: {
  readonly store: Pick<Store, "sweep">;
  readonly logger: Logger;
  readonly intervalMs: number;
}): Sweeper {
  let cancelTimer: (() => void) | undefined;
  let sweeping: Promise<void> | undefined;
  let isStopped = true;

  const sweep = async (): Promise<void> => {
    try {
      let reply: SweepReply;
      do {
        reply = await options.store.sweep({ limit: SWEEP_LIMIT });
        tell(reply, options.logger);
      } while (reply.more && !isStopped);
    } catch {
      // The store logged it; the next sweep comes in its time.
    }
  };
  const plan = (): void => {
    if (isStopped) return;
    const jitter = 1 - JITTER * Math.random();
    cancelTimer = startTimer(options.intervalMs * jitter, () => {
      sweeping = sweep().then(plan);
    });
  };

  return {
    start: () => {
      if (!isStopped) return;
      isStopped = false;
      plan();
    },
    stop: async () => {
      isStopped = true;
      cancelTimer?.();
      await sweeping;
    },
  };
}

function tell(reply: SweepReply, logger: Logger): void {
  const { deadWorkers, takenBack, crashed, cancelled, expired } = reply;
  if (deadWorkers.length > 0 || takenBack > 0 || crashed > 0) {
    logger.warn({ deadWorkers, takenBack, crashed }, "jobs of dead workers taken back");
  }
  if (cancelled > 0 || expired > 0) {
    logger.info({ cancelled, expired }, "jobs cancelled or expired by the sweep");
  }
}
