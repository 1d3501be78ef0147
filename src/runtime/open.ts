// Puts a store, the job types, a worker and the rooms above together behind one object.
import { checkList, checkOptions, wrongArgument } from "../core/arguments.ts";
import type { AnyJobType } from "../core/define-job.ts";
import { parseDuration } from "../core/duration.ts";
import { MillraceError } from "../core/errors.ts";
import { checkName } from "../core/limits.ts";
import type { Store } from "../core/store.ts";
import { checkFlow } from "./enqueuing/flow.ts";
import { loggedStore } from "./logging/logged-store.ts";
import type { Launcher } from "./launchers/launcher.ts";
import { createLauncherPool } from "./launchers/pool.ts";
import { type LargeValues, createBlobCleaner, openLargeValues } from "./blobs/index.ts";
import { type DeclaredTypes, createDeclaredTypes } from "./declared-types.ts";
import { createEnqueuing } from "./enqueuing/enqueuing.ts";
import { type Logger, createLogger, silentLogger } from "./logging/logger.ts";
import { MILLRACE_NAMES, type Millrace, type MillraceOptions, STOP_NAMES } from "./millrace.ts";
import { DEFAULT_STORE_URL, openStore } from "./open-store.ts";
import { createOperations, learnTypes } from "./operations/operations.ts";
import { type Registry, createRegistry, describeType, requireJobType } from "./registry.ts";
import { type RemoteWork, type RemoteWorkParts, createRemoteWork } from "./remote/index.ts";
import { Results } from "./enqueuing/results.ts";
import type { Room, RoomParts, Rooms } from "./room.ts";
import { type WorkerSettings, readWorkerSettings } from "./worker/settings.ts";
import { type Working, type WorkingParts, createWorking } from "./worker/working.ts";

/** The store withdraws a cancelled job's claim this long after its worker should have. */
const CANCEL_MARGIN_MS = 5_000;

/** Millrace but for what rooms above the runtime add to it. */
export type Runtime = Omit<Millrace, "schedules" | "figures" | "runs">;

/**
 * Opens the runtime on a store, with the rooms above it. Nothing is processed until `start`.
 *
 * @throws MillraceError `INVALID_ARGUMENT`, `INVALID_CONFIG`, `DUPLICATE_TYPE`, `UNSUPPORTED`, the rooms' and the store's
 */
export async function openRuntime<Calls extends object>(
  options: MillraceOptions,
  openRooms: (parts: RoomParts) => Rooms<Calls>,
): Promise<Runtime & Calls> {
  checkOptions(options, "options", MILLRACE_NAMES);
  const settings = readWorkerSettings(options.worker);
  const namespace = checkName(options.namespace ?? "default", "namespace");
  const logger = loggerOf(options.logger);
  const registry = createRegistry();
  for (const type of checkList(options.jobs ?? [], "jobs", "job types")) registry.add(type);
  const values = openLargeValues(options.blobs, namespace);
  const { store, closeStore } = await openFor(options, { namespace, logger, registry });
  try {
    return await assemble(
      { store, closeStore, settings, logger, registry, values },
      options,
      openRooms,
    );
  } catch (error) {
    await closeStore();
    throw error;
  }
}

interface Ground extends OpenedStore {
  readonly settings: WorkerSettings;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly values: LargeValues;
}

/** Where no room knows of runs. */
const noSteps = async (): Promise<readonly never[]> => [];

async function assemble<Calls extends object>(
  ground: Ground,
  options: MillraceOptions,
  openRooms: (parts: RoomParts) => Rooms<Calls>,
): Promise<Runtime & Calls> {
  const { store, logger, registry, values } = ground;
  const results = new Results(store);
  const { working, remote, declaredTypes } = createWork(ground, results, {
    others: checkList(options.launchers ?? [], "launchers", "launchers"),
    settled: (claimed, outcome, runMs) => {
      for (const room of rooms) room.settled?.(claimed, outcome, runMs);
    },
    runs: () => runs,
  });
  const register = async (...types: readonly AnyJobType[]): Promise<void> => {
    for (const type of types) requireJobType(type);
    for (const room of rooms) room.register(types);
    for (const type of types) registry.add(type);
    await makeKnown(store, types);
  };
  const enqueuing = createEnqueuing({ store, registry, results, values, register });
  const { rooms, calls, runs, openSteps } = openRooms({
    store,
    logger,
    values,
    ...enqueuing.steps,
    redactorsOf: async (types) => {
      await learnTypes({ store, registry }, types);
      return (type) => registry.redactorOf(type);
    },
  });
  for (const room of rooms) room.register(registry.all());
  await declaredTypes.follow();
  return {
    ...createOperations({ store, registry, results, openSteps: openSteps ?? noSteps }),
    ...enqueuing.calls,
    ...calls,
    remote: remote.calls,
    typeRegistration: declaredTypes,
    register,
    ...createLife({
      ground,
      rooms,
      working,
      remote,
      declaredTypes,
      results,
      register,
      drained: enqueuing.drained,
    }),
  };
}

/** What runs jobs: the worker of this process, the remote ones, and the types that are registered while it runs. */
function createWork(
  { store, logger, settings, registry, values }: Ground,
  results: Results,
  around: {
    readonly others: readonly Launcher[];
    readonly settled: RemoteWorkParts["onSettled"];
    readonly runs: WorkingParts["runs"];
  },
): {
  readonly working: Working;
  readonly remote: RemoteWork;
  readonly declaredTypes: DeclaredTypes;
} {
  const work: RemoteWorkParts = {
    store,
    logger,
    settings,
    registry,
    values,
    ended: (id, token, signal) => results.claimEnded(id, token, signal),
    onSettled: (claimed, outcome, runMs) => {
      results.settled(claimed.id, outcome);
      around.settled(claimed, outcome, runMs);
    },
  };
  const launchers = createLauncherPool(around.others);
  const working = createWorking({
    ...work,
    launchers,
    onRecorded: around.settled,
    runs: around.runs,
  });
  const declaredTypes = createDeclaredTypes({
    store,
    logger,
    registry,
    launchers,
    describe: (type) => describeType(type, CANCEL_MARGIN_MS),
    serve: (type) => working.serve(type),
  });
  return { working, remote: createRemoteWork(work), declaredTypes };
}

interface LifeParts {
  readonly ground: Ground;
  readonly rooms: readonly Room[];
  readonly working: Working;
  readonly remote: RemoteWork;
  readonly declaredTypes: DeclaredTypes;
  readonly results: Results;
  readonly register: Millrace["register"];
  readonly drained: () => Promise<void>;
}

/** Starting, stopping and closing: rooms begin after the worker and end before it. */
function createLife(
  parts: LifeParts,
): Pick<Millrace, "start" | "stop" | "close" | typeof Symbol.asyncDispose> {
  const { ground, rooms, working, register } = parts;
  const { settings, registry } = ground;
  // Starts and stops take turns, worker and rooms together: a stop that comes during a start finds all that it started.
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    const mine = turn.then(act);
    turn = mine.catch(() => {});
    return mine;
  };
  const blobs = ground.values.store;
  const cleaner = blobs && createBlobCleaner({ blobs, store: ground.store, logger: ground.logger });
  const stopAll = async (graceMs: number): Promise<void> => {
    await cleaner?.stop();
    await Promise.all(rooms.map((room) => room.stop()));
    await working.stop(undefined, graceMs);
    for (const room of rooms) await room.finish?.();
  };
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    await parts.drained();
    await parts.declaredTypes.stop();
    await inTurn(async () => {
      await parts.remote.stop();
      await stopAll(settings.shutdownGraceMs);
      await working.close();
    });
    await parts.results.close();
    await ground.closeStore();
  };
  const close = async (): Promise<void> => {
    closing ??= closeAll();
    await closing;
  };
  return {
    start: async (type) => {
      if (closing !== undefined) {
        throw new MillraceError("STOPPED", { message: "Millrace is closed" });
      }
      if (type !== undefined && !registry.has(type)) await register(type);
      await inTurn(async () => {
        await working.start(type);
        cleaner?.start();
        const types = type === undefined ? registry.all() : [type];
        await Promise.all(rooms.map((room) => room.start(types)));
      });
    },
    stop: async (type, stop = {}) => {
      if (type !== undefined) requireJobType(type);
      const { grace } = checkOptions(stop, "options", STOP_NAMES);
      const graceMs =
        grace === undefined ? settings.shutdownGraceMs : parseDuration(grace, "grace");
      await inTurn(() => (type === undefined ? stopAll(graceMs) : working.stop(type, graceMs)));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function loggerOf(logger: Logger | false | undefined): Logger {
  if (logger === false) return silentLogger;
  if (logger === undefined) return createLogger();
  const levels = ["debug", "info", "warn", "error"] as const;
  if (
    typeof logger === "object" &&
    logger !== null &&
    levels.every((level) => typeof logger[level] === "function")
  ) {
    return logger;
  }
  throw wrongArgument("logger", logger, "a logger such as pino's, or false");
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
  const isHandedIn = typeof given === "object" && given !== null;
  if (isHandedIn && typeof given.exchange !== "function") {
    throw wrongArgument("store", given, "a URL, or an open store");
  }
  const opened = isHandedIn
    ? given
    : await openStore({
        url: given === undefined ? DEFAULT_STORE_URL : given,
        namespace: around.namespace,
        ...(durability === undefined ? {} : { durability }),
      });
  let isClosed = false;
  const { store, flush } = loggedStore(opened, around.logger, () => isClosed);
  const closeStore = async (): Promise<void> => {
    isClosed = true;
    flush();
    if (!isHandedIn) await opened.close();
  };
  try {
    await makeKnown(store, around.registry.all());
    return { store, closeStore };
  } catch (error) {
    await closeStore();
    throw error;
  }
}

async function makeKnown(store: Store, types: readonly AnyJobType[]): Promise<void> {
  if (types.length === 0) return;
  checkFlow(store, types);
  await store.putTypes({ types: types.map((type) => describeType(type, CANCEL_MARGIN_MS)) });
}
