// A worker of short jobs that looks at the store only when it is told to, and enqueues when a line is written to it.
import { createLogger, defineJob, openMillrace, stopOnSignals } from "millrace";
import { setTimeout as sleep } from "node:timers/promises";

const [store = ""] = process.argv.slice(2);
const logger = createLogger();
const turn = defineJob({ name: "turn", run: () => sleep(20) });

const mill = await openMillrace({
  store,
  jobs: [turn],
  logger,
  // Without looks by the clock it follows only what it hears.
  worker: { concurrency: 2, pollInterval: "1h" },
});
stopOnSignals(() => mill.close(), logger);
await mill.start();
logger.info({}, "up");

process.stdin.on("data", () => {
  mill.enqueue(turn, {}).then(
    () => logger.info({}, "taken in"),
    (error: unknown) => logger.info({ error: String(error) }, "refused"),
  );
});
