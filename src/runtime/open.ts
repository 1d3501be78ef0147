// `openMillrace`: puts a store, the job types and a worker together behind one object.
import type { AnyJobType } from "../core/define-job.ts";
import { parseDuration } from "../core/duration.ts";
import { MillraceError } from "../core/errors.ts";
import { checkName } from "../core/limits.ts";
import type { Store } from "../core/store.ts";
import { loggedStore } from "./logged-store.ts";
import { createLauncherPool } from "./launchers/pool.ts";
import { createEnqueuing } from "./enqueuing.ts";
import { type Logger, createLogger, silentLogger } from "./logger.ts";
import type { Millrace, MillraceOptions } from "./millrace.ts";
import { DEFAULT_STORE_URL, openStore } from "./open-store.ts";
import { createOperations } from "./operations.ts";
import { type Registry, createRegistry, describeType } from "./registry.ts";
import { Results } from "./results.ts";
import { readWorkerSettings } from "./settings.ts";
import { createWorking } from "./working.ts";

/** The store withdraws a cancelled job's claim this long after its worker should have. */
const CANCEL_MARGIN_MS = 5_000;

/**
 * Opens Millrace on a store. Nothing is processed until `start`.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_CONFIG`, `DUPLICATE_TYPE`, `UNSUPPORTED` and the store's
 * @example
 * await using mill = await openMillrace({ store: "sqlite:millrace.db", jobs: [sendReceipt] });
 * const receipt = await mill.enqueue(sendReceipt, { orderId: "o-1", card: "4111" });
 * await mill.start();
 * await receipt.result();
 */
export async function openMillrace(options: MillraceOptions = {}): Promise<Millrace> {
  const settings = readWorkerSettings(options.worker);
  const namespace = checkName(options.namespace ?? "default", "namespace");
  const logger = loggerOf(options.logger);
  const registry = createRegistry();
  for (const type of options.jobs ?? []) registry.add(type);
  const { store, closeStore } = await openFor(options, { namespace, logger, registry });
  const results = new Results(store);
  const working = createWorking({
    store,
    logger,
    settings,
    registry,
    launchers: createLauncherPool(options.launchers ?? []),
    ended: async (id) => {
      await results.wait(id);
    },
    onSettled: (claimed, outcome) => {
      results.settled(claimed.id, outcome);
    },
  });
  const register = async (...types: readonly AnyJobType[]): Promise<void> => {
    for (const type of types) registry.add(type);
    await makeKnown(store, types);
  };
  const enqueuing = createEnqueuing({ store, registry, results, register });
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    await enqueuing.drained();
    await working.stop(undefined, settings.shutdownGraceMs);
    await working.close();
    await results.close();
    await closeStore();
  };
  const close = async (): Promise<void> => {
    closing ??= closeAll();
    await closing;
  };
  return {
    ...createOperations({ store, registry, results }),
    ...enqueuing.calls,
    register,
    start: async (type) => {
      if (closing !== undefined)
        throw new MillraceError("STOPPED", { message: "Millrace is closed" });
      if (type !== undefined && registry.find(type.name) !== type) await register(type);
      await working.start(type);
    },
    stop: async (type, stop = {}) => {
      const graceMs =
        stop.grace === undefined ? settings.shutdownGraceMs : parseDuration(stop.grace, "grace");
      await working.stop(type, graceMs);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function loggerOf(logger: Logger | false | undefined): Logger {
  return logger === false ? silentLogger : (logger ?? createLogger());
}

interface OpenedStore {
  readonly store: Store;
  /** A store that was handed in is closed by whoever opened it. */
  readonly closeStore: () => Promise<void>;
}

async function openFor(
  options: MillraceOptions,
  around: { readonly namespace: string; readonly logger: Logger; readonly registry: Registry },
): Promise<OpenedStore> {
  const { store: given, durability } = options;
  const isHandedIn = typeof given === "object";
  const opened = isHandedIn
    ? given
    : await openStore({
        url: given ?? DEFAULT_STORE_URL,
        namespace: around.namespace,
        ...(durability === undefined ? {} : { durability }),
      });
  const closeStore = async (): Promise<void> => {
    if (!isHandedIn) await opened.close();
  };
  try {
    const store = loggedStore(opened, around.logger);
    await makeKnown(store, around.registry.all());
    return { store, closeStore };
  } catch (error) {
    await closeStore();
    throw error;
  }
}

async function makeKnown(store: Store, types: readonly AnyJobType[]): Promise<void> {
  if (types.length === 0) return;
  await store.putTypes({ types: types.map((type) => describeType(type, CANCEL_MARGIN_MS)) });
}
