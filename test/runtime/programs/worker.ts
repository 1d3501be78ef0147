// A worker as an application would write it: it stops on signals, and what is written to it ends its jobs.
import { once } from "node:events";
import { createLogger, defineJob, openMillrace, stopOnSignals } from "millrace";

/** Waits for a line on standard input, without keeping the process alive for it. */
async function untilTold(): Promise<void> {
  const told = once(process.stdin, "data");
  process.stdin.unref();
  await told;
}

const logger = createLogger();

/** Listens to no signal. */
const deaf = defineJob({
  name: "deaf",
  grace: "50ms",
  concurrency: 1,
  run: async ({ job }) => {
    logger.info({ attempt: job.attempt }, "deaf is busy");
    await untilTold();
    logger.info({}, "deaf has done its effect");
    return "late";
  },
});

/** Ends as soon as it is told to. */
const attentive = defineJob({
  name: "attentive",
  run: async ({ signal }) => {
    logger.info({}, "attentive is busy");
    await once(signal, "abort");
    throw signal.reason;
  },
});

const quick = defineJob({ name: "quick", run: () => "done" });

const [store = "", shutdownGrace = "25s"] = process.argv.slice(2);
const mill = await openMillrace({
  store,
  jobs: [deaf, attentive, quick],
  logger,
  worker: { shutdownGrace },
});
stopOnSignals(() => mill.close(), logger);
await mill.start();
logger.info({}, "up");
