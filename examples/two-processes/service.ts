// A job service alone: it takes jobs over HTTP and keeps them in the store. Run worker.ts beside it, any number.
import { createLogger, openMillrace, stopOnSignals } from "millrace";
import { listenJobService } from "millrace/http";
import { sleep } from "../jobs/sleep.ts";

const logger = createLogger();
const mill = await openMillrace({
  store: process.env["MILLRACE_STORE"] ?? "sqlite:millrace.db",
  jobs: [sleep],
  logger,
});
const listening = await listenJobService({
  operations: mill,
  logger,
  port: Number(process.env["MILLRACE_PORT"] ?? 8000),
});
logger.info({ url: listening.url }, "job service listening");

stopOnSignals(async () => {
  await listening.close();
  await mill.close();
}, logger);
