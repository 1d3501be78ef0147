// What start, serve and worker share: open by the config, run until a signal, drain.
import type { MillraceConfig } from "../config/index.ts";
import { listenJobService } from "../http/index.ts";
import { openMillrace } from "../millrace/index.ts";
import { type Logger, type Millrace, createLogger, stopOnSignals } from "../runtime/index.ts";
import { closeInTurn } from "./close-in-turn.ts";
import { openFleets } from "./fleets.ts";
import { openRollups } from "./rollups.ts";
import { packageVersion } from "../version/index.ts";

/** Which parts this process is. */
export interface Parts {
  readonly isService: boolean;
  readonly isWorker: boolean;
}

/** Runs the parts until a signal has stopped them. */
export async function runUntilStopped(config: MillraceConfig, parts: Parts): Promise<void> {
  const logger = createLogger(config.log?.level ?? "info", config.log?.format);
  const asked = Promise.withResolvers<void>();
  // Before anything is open: a signal that comes while the parts still start stops them in good order, too.
  const undo = stopOnSignals(async () => {
    asked.resolve();
  }, logger);
  // A worker whose store needs no handle of its own must not end while it waits for work.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  // Fleets end last: the jobs that still finish may need them.
  const closers: (() => Promise<void>)[] = [];
  try {
    const mill = await openByConfig(config, logger);
    closers.push(() => mill.close());
    if (parts.isService) closers.unshift(await listen(config, mill, logger));
    await tellStore(mill, logger);
    if (parts.isWorker && config.fleets) closers.push(openFleets(config.fleets, logger));
    if (parts.isWorker && config.rollups) closers.push(await openRollups(config.rollups, logger));
    if (parts.isWorker) await startWorker(config, mill, logger);
    await asked.promise;
  } finally {
    await closeInTurn(closers).finally(() => {
      clearInterval(keepAlive);
      undo();
    });
  }
  logger.info({}, "stopped");
}

/** Opens Millrace as a config says. */
function openByConfig(config: MillraceConfig, logger: Logger): Promise<Millrace> {
  const { http: _http, log: _log, fleets: _fleets, rollups: _rollups, ...rest } = config;
  const { schedules: _schedules, ...options } = rest;
  return openMillrace({ ...options, logger });
}

async function listen(
  { http = {} }: MillraceConfig,
  mill: Millrace,
  logger: Logger,
): Promise<() => Promise<void>> {
  const { host, port, ...access } = http;
  const listening = await listenJobService({
    operations: mill,
    access,
    logger,
    version: packageVersion(),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
  });
  const auth =
    (access.tokens?.length ?? 0) > 0
      ? "token"
      : access.unauthenticated === "private-network"
        ? "none: everyone on this network may do everything"
        : "none: this machine only";
  logger.info({ url: listening.url, access: auth }, "job service listening");
  return () => listening.close();
}

async function tellStore(mill: Millrace, logger: Logger): Promise<void> {
  const { location, kind, namespace, durability, findings } = await mill.describe();
  logger.info({ store: location, kind, namespace, durability }, "store open");
  for (const { level, message } of findings) {
    if (level === "ok") continue;
    if (level === "problem") logger.error({ finding: message }, "store problem");
    else logger.warn({ finding: message }, "store warning");
  }
}

async function startWorker(config: MillraceConfig, mill: Millrace, logger: Logger): Promise<void> {
  const { jobs = [], schedules = [] } = config;
  const runnable = jobs.filter((type) => type.run ?? type.batch ?? type.launch);
  if (runnable.length === 0 && keepsMore(config)) {
    logger.info(
      {},
      "no job type with a handler is configured: this worker keeps fleets, roll-ups and schedules only",
    );
  } else {
    if (runnable.length === 0) {
      logger.warn({}, "no job type with a handler is configured, so this worker will run nothing");
    }
    await mill.start();
  }
  for (const schedule of schedules) await mill.schedules.put(schedule);
}

function keepsMore({ fleets = {}, rollups = {} }: MillraceConfig): boolean {
  return Object.keys(fleets).length + Object.keys(rollups).length > 0;
}
