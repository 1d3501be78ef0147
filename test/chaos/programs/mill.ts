// A process of the system under test: opens Millrace, and works, enqueues and stops as it is told.
import { type WorkerOptions, createLogger, openMillrace, stopOnSignals } from "millrace";
import { rmSync, writeFileSync } from "node:fs";
import { EffectLog } from "../harness/effect-log.ts";
import { type Production, produce } from "../harness/producer.ts";
import { programOptions, serve } from "./channel.ts";
import { type ChaosTypeName, chaosJobs, listTypes } from "./jobs.ts";

/** What the harness says of this process. */
export interface MillOptions {
  readonly store: string;
  /** The directory of the oracle's logs. */
  readonly logs: string;
  readonly worker?: WorkerOptions;
  /** Types that it works on; all when absent. */
  readonly types?: readonly string[];
}

/** Between two looks whether all is done. */
const IDLE_LOOK_MS = 50;

const options = programOptions() as MillOptions;
const log = new EffectLog(options.logs);
const types = chaosJobs(log);
const logger = createLogger("info");
const mill = await openMillrace({
  store: options.store,
  logger,
  jobs: listTypes(types).filter(({ name }) => options.types?.includes(name) ?? true),
  ...(options.worker === undefined ? {} : { worker: options.worker }),
});
stopOnSignals(async () => {
  await mill.close();
  // The channel would keep the process alive.
  process.disconnect();
}, logger);

serve({
  start: () => mill.start(),
  stop: () => mill.stop(),
  produce: async ({ type, production }) => {
    return produce(mill, types[type as ChaosTypeName], log, production as Production);
  },
  /** What time it believes that it is. */
  clock: () => Date.now(),
  /** Takes room on the disk that the store is on, and gives it back. */
  fill: ({ path, bytes }) => writeFileSync(String(path), new Uint8Array(Number(bytes))),
  makeRoom: ({ path }) => rmSync(String(path)),
  /** Resolves when nothing waits or runs any more. */
  untilIdle: async () => {
    for (;;) {
      const queues = await mill.queues();
      if (queues.every(({ counts }) => counts.ready + counts.running + counts.scheduled === 0)) {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, IDLE_LOOK_MS));
    }
  },
});
