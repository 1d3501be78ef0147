// A worker of a queue with a limit. Its jobs write when they start and end, by a clock that all processes share.
import { appendFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { defineJob, openMillrace } from "millrace";

const [store = "", journal = "", limit = "1", runMs = "1"] = process.argv.slice(2);
const mill = await openMillrace({
  store,
  logger: false,
  worker: { concurrency: 20, leaseDuration: "5s", sweepInterval: "500ms" },
  jobs: [
    defineJob({
      name: "limited",
      limits: [{ concurrency: Number(limit) }],
      retention: { succeeded: "remove" },
      maxCrashes: 10,
      run: async () => {
        appendFileSync(journal, `+ ${process.pid} ${process.hrtime.bigint()}\n`);
        await pause(Number(runMs));
        appendFileSync(journal, `- ${process.pid} ${process.hrtime.bigint()}\n`);
      },
    }),
  ],
});
await mill.start();
console.log("up");
