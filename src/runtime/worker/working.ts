// Starting and stopping the work of a process: one worker for all its job types, and the sweeper beside it.
import type { AnyJobType } from "../../core/define-job.ts";
import { MillraceError } from "../../core/errors.ts";
import type { ClaimedJob, SettleOutcome, Store } from "../../core/store.ts";
import type { ClaimEnded } from "./attempt.ts";
import type { LargeValues } from "../blobs/index.ts";
import type { LauncherPool } from "../launchers/pool.ts";
import type { Logger } from "../logging/logger.ts";
import type { Registry } from "../registry.ts";
import { REMOTE_LAUNCHER } from "../remote/index.ts";
import type { RunDriver } from "../exchanges/runs.ts";
import { createSweeper } from "./sweeper.ts";
import type { WorkerSettings } from "./settings.ts";
import { Worker } from "./worker.ts";

export interface WorkingParts {
  readonly store: Store;
  readonly logger: Logger;
  readonly settings: WorkerSettings;
  readonly registry: Registry;
  readonly launchers: LauncherPool;
  readonly values: LargeValues;
  readonly ended: ClaimEnded;
  readonly onSettled: (claimed: ClaimedJob, outcome: SettleOutcome, runMs: number) => void;
  readonly onRecorded: (claimed: ClaimedJob, outcome: SettleOutcome, runMs: number) => void;
  /** What drives workflow runs, where something does. */
  readonly runs: () => RunDriver | undefined;
}

/** The work of a process. Starting twice, or stopping what does not run, is harmless; calls take turns, see `open.ts`. */
export interface Working {
  start(type: AnyJobType | undefined): Promise<void>;
  stop(type: AnyJobType | undefined, graceMs: number): Promise<void>;
  /** Runs a type that became known, where this process works. */
  serve(type: AnyJobType): Promise<void>;
  close(): Promise<void>;
}

export function createWorking(parts: WorkingParts): Working {
  const { store, logger, settings, registry, launchers, values, ended } = parts;
  const { onSettled, onRecorded } = parts;
  const own = { store, logger, launchers, settings, values, ended, onSettled, onRecorded };
  const sweeper = createSweeper({ store, logger, intervalMs: settings.sweepIntervalMs });
  let worker: Worker | undefined;
  return {
    start: async (type) => {
      if (type !== undefined) registry.add(type);
      const types = type === undefined ? registry.all().filter(canRun) : [type].filter(isOurs);
      const mine = types.filter(
        ({ queue }) => settings.queues === undefined || settings.queues.includes(queue),
      );
      if (mine.length === 0 && registry.all().some((each) => !isOurs(each))) {
        // Their workers claim through the services; the upkeep of the store is still this process's.
        sweeper.start();
        return;
      }
      checkAny(mine, settings);
      await Promise.all(mine.map((each) => launchers.prepare(each)));
      const starting = worker ?? new Worker({ ...own, runs: parts.runs() });
      for (const each of mine) starting.serve(each);
      if (worker === undefined) {
        await starting.start();
        // Only now: a start that failed can be made again.
        worker = starting;
        sweeper.start();
        logger.info(
          { types: worker.servedTypes, concurrency: settings.concurrency },
          "worker started",
        );
      }
    },
    stop: async (type, graceMs) => {
      if (worker === undefined) {
        if (type === undefined) await sweeper.stop();
        return;
      }
      if (type !== undefined && worker.servedTypes.some((name) => name !== type.name)) {
        await worker.withdraw(type.name, graceMs);
        return;
      }
      const stopping = worker;
      worker = undefined;
      await sweeper.stop();
      await stopping.stop(graceMs);
      logger.info({}, "worker stopped");
    },
    serve: async (type) => {
      const isMine = settings.queues === undefined || settings.queues.includes(type.queue);
      if (worker === undefined || !isMine || !canRun(type)) return;
      await launchers.prepare(type);
      worker.serve(type);
    },
    close: () => launchers.stop(),
  };
}

function canRun(type: AnyJobType): boolean {
  return (type.run ?? type.batch) !== undefined || (type.launch !== undefined && isOurs(type));
}

/** Remote workers claim for themselves, through a service. */
function isOurs(type: AnyJobType): boolean {
  return type.launch?.launcher !== REMOTE_LAUNCHER;
}

function checkAny(types: readonly AnyJobType[], settings: WorkerSettings): void {
  for (const type of types) {
    if (canRun(type)) continue;
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `job type ${type.name} has no handler; give defineJob a run function or a launch`,
    });
  }
  if (types.length > 0) return;
  throw new MillraceError("INVALID_ARGUMENT", {
    message:
      settings.queues === undefined
        ? "there is no job type with a handler to process; pass some to openMillrace({ jobs: [...] })"
        : `no job type with a handler waits in the queues ${settings.queues.join(", ")}`,
  });
}
