// A worker of a queue with limits. Its handlers write when they start and end, by a clock that all processes share.
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { type LimitOptions, defineJob, openMillrace } from "millrace";
import { programOptions, serve } from "./channel.ts";

/** What the program is given. */
export interface LimitedOptions {
  readonly store: string;
  readonly namespace: string;
  /** Where starts (`+`) and ends (`-`) are written; absent: nowhere. */
  readonly journal?: string;
  readonly limit: LimitOptions<unknown>;
  readonly runMs: number;
}

const { store, namespace, journal, limit, runMs } = programOptions() as LimitedOptions;

function note(sign: "+" | "-"): void {
  if (journal !== undefined) {
    appendFileSync(journal, `${sign} ${process.pid} ${process.hrtime.bigint()}\n`);
  }
}

const mill = await openMillrace({
  store,
  namespace,
  logger: false,
  worker: { concurrency: 20, leaseDuration: "5s", sweepInterval: "500ms" },
  jobs: [
    defineJob({
      name: "limited",
      limits: [limit],
      retention: { succeeded: journal === undefined ? "1h" : "remove" },
      maxCrashes: 10,
      run: async () => {
        note("+");
        if (runMs > 0) await pause(runMs);
        note("-");
      },
    }),
  ],
});
await mill.start();
serve({});
