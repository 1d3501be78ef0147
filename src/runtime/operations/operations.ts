// The operator's half of Millrace: look at jobs, queues and workers, and change them. Everything shown is masked.
import {
  checkFunction,
  checkList,
  checkOptions,
  checkTexts,
  checkWhole,
  tellValue,
} from "../../core/arguments.ts";
import { MillraceError } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import { isJobId } from "../../core/ids.ts";
import type { JobRecord } from "../../core/job.ts";
import { MAX_LOG_LINES, MAX_PAGE, checkName } from "../../core/limits.ts";
import type { Store } from "../../core/store.ts";
import { createLimitOperations } from "./limit-operations.ts";
import {
  CANCEL_NAMES,
  EVENT_FILTER_NAMES,
  type EventFilter,
  type EventView,
  type JobQuery,
  type JobView,
  LOG_NAMES,
  type Operations,
  QUERY_NAMES,
  RESUME_NAMES,
} from "../millrace.ts";
import { PAUSE_NAMES } from "./order-operations.ts";
import { type OrderingParts, createOrdering } from "./ordering.ts";
import type { Registry } from "../registry.ts";
import type { Results } from "../enqueuing/results.ts";
import { readSelection } from "./selecting.ts";
import { viewEvent, viewJob } from "../views.ts";

/** Jobs in a page, unless asked otherwise: a screenful. */
const DEFAULT_PAGE = 50;

/** What the operations stand on. */
export interface OperationParts {
  readonly store: Store;
  readonly registry: Registry;
  readonly results: Results;
  readonly openSteps: OrderingParts["openSteps"];
}

/** Makes the operations, enqueuing aside. */
export function createOperations(
  parts: OperationParts,
): Omit<Operations, "enqueueEntries" | "figures" | "schedules" | "runs"> {
  const { store, registry, results, openSteps } = parts;
  const view = async (records: readonly JobRecord[]): Promise<readonly JobView[]> => {
    await learnTypes(
      parts,
      records.map(({ type }) => type),
    );
    return records.map((record) => viewJob(record, registry.redactorOf(record.type)));
  };
  const job = async (id: JobId): Promise<JobView | null> => {
    const [record] = await store.get({ ids: checkIds([id]) });
    if (record === null || record === undefined) return null;
    return (await view([record]))[0] ?? null;
  };
  return {
    job,
    jobs: async (query = {}) => {
      const page = await store.list(readQuery(query));
      return {
        jobs: await view(page.jobs),
        ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
      };
    },
    logs: async (id, options = {}) => {
      const { limit = MAX_LOG_LINES, afterSeq } = checkOptions(options, "options", LOG_NAMES);
      return store.logs({
        id: checkIds([id])[0] ?? id,
        limit: Math.min(checkWhole(limit, "limit", 1), MAX_LOG_LINES),
        ...(afterSeq === undefined ? {} : { afterSeq }),
      });
    },
    wait: async (id, options) => {
      checkIds([id]);
      await results.wait(id, options);
      return job(id);
    },
    cancel: async (ids, options = {}) => {
      const { reason = "cancelled by request" } = checkOptions(options, "options", CANCEL_NAMES);
      checkTexts({ reason });
      return store.cancel({ ids: checkIds(ids), reason });
    },
    retry: async (ids) => store.retry({ ids: checkIds(ids) }),
    remove: async (ids) => store.remove({ ids: checkIds(ids) }),
    ...createOrdering({ store, registry, view, checkIds, openSteps }),
    queues: async () => store.queues(),
    ...createDoors(store),
    workers: async () => store.workers(),
    types: async () => store.types(),
    ...createLimitOperations(store),
    describe: async () => store.describe(),
    subscribe: async (filter, listener, onGap) => follow(parts, filter, listener, onGap),
  };
}

function createDoors(store: Store): Pick<Operations, "pause" | "resume"> {
  return {
    pause: async (queue, options = {}) => {
      const { by = "unknown", reason = "" } = checkOptions(options, "options", PAUSE_NAMES);
      await store.setPaused({ queue: checkName(queue, "queue"), paused: true, by, reason });
    },
    resume: async (queue, options = {}) => {
      const { by = "unknown" } = checkOptions(options, "options", RESUME_NAMES);
      const doors = store.capabilities.has("drain")
        ? { paused: false, draining: false }
        : { paused: false };
      await store.setPaused({ queue: checkName(queue, "queue"), ...doors, by, reason: "" });
    },
  };
}

async function follow(
  parts: OperationParts,
  filter: EventFilter,
  listener: (event: EventView) => void,
  onGap: (reason: string) => void = () => {},
): Promise<AsyncDisposable> {
  const { store, registry } = parts;
  const { id, type } = checkOptions(filter, "filter", EVENT_FILTER_NAMES);
  if (id !== undefined) checkIds([id]);
  checkTexts({ type });
  checkFunction(listener, "listener");
  checkFunction(onGap, "onGap");
  registry.learn(await store.types());
  const subscription = await store.subscribe({
    filter,
    listener: (event) => {
      listener(viewEvent(event, registry.redactorOf(event.type)));
    },
    onGap,
  });
  return { [Symbol.asyncDispose]: async () => subscription.close() };
}

/** Types of other processes are learned when one of their jobs is first shown. */
export async function learnTypes(
  parts: Pick<OperationParts, "registry" | "store">,
  names: readonly string[],
): Promise<void> {
  const { registry, store } = parts;
  if (names.every((name) => registry.isKnown(name))) return;
  registry.learn(await store.types());
}

function checkIds(ids: readonly JobId[]): readonly JobId[] {
  for (const id of checkList(ids, "ids", "job ids")) {
    if (typeof id !== "string" || !isJobId(id)) {
      throw new MillraceError("INVALID_ARGUMENT", {
        message: `${tellValue(id)} is not a job id; expected a UUID as an enqueue gives it`,
      });
    }
  }
  return ids;
}

function readQuery(query: JobQuery): Parameters<Store["list"]>[0] {
  const { limit = DEFAULT_PAGE, cursor, ...selection } = checkOptions(query, "query", QUERY_NAMES);
  checkWhole(limit, "limit", 1, MAX_PAGE);
  return { filter: readSelection(selection), limit, ...(cursor === undefined ? {} : { cursor }) };
}
