// A worker alone: it runs what a job service, or any other program on the same store, has enqueued.
import { createLogger, openMillrace, stopOnSignals } from "millrace";
import { sleep } from "../jobs/sleep.ts";

const logger = createLogger();
const mill = await openMillrace({
  store: process.env["MILLRACE_STORE"] ?? "sqlite:millrace.db",
  jobs: [sleep],
  worker: { concurrency: 20 },
  logger,
});
await mill.start();

stopOnSignals(() => mill.close(), logger);
