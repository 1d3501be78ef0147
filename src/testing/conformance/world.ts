// What a case works with: a store in a namespace of its own, workers that keep what they hear, and time that passes.
import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import assert from "node:assert/strict";
import { createIdMaker, type JobId } from "../../core/ids.ts";
import type { JobEvent } from "../../core/events.ts";
import type { JobRecord } from "../../core/job.ts";
import { DEFAULT_STORE_POLICY } from "../../core/transitions.ts";
import type {
  EnqueueReply,
  NewJob,
  Store,
  Subscribe,
  SweepReply,
  TypeRecord,
} from "../../core/store.ts";
import type { StoreCase, StoreHarness } from "./harness.ts";
import { type StoreWorker, type WorkerOptions, attach } from "./worker.ts";

/** Units for cases, which are far apart so that the time a case itself takes never matters. */
export const MINUTE_MS = 60_000;
export const HOUR_MS: number = 60 * MINUTE_MS;
/** Most that a case itself may take, store's time, from a call to the check of a time that it wrote. */
export const SLACK_MS = 30_000;
/** Longest wait for what a store does by itself: far more than any should take, so that a busy machine passes. */
const PATIENCE_MS = 15_000;
const POLL_MS = 5;

/** A case's store and what goes with it. */
export interface World {
  /** The first store object. */
  readonly store: Store;
  readonly namespace: string;
  /** Another store object on the same data (`second-object`). */
  readonly openSecond: () => Promise<Store>;
  /** A store object in another namespace, in the same place. */
  readonly openElsewhere: () => Promise<Store>;
  /** Lets time pass for the store. */
  readonly advance: (durationMs: number) => Promise<void>;
  /** The store's time. */
  readonly now: () => Promise<number>;
  /** A job to enqueue: a plain one of type and queue `mail` unless said otherwise. */
  readonly job: (options?: Partial<NewJob>) => NewJob;
  /** Enqueues jobs, all of them new, and gives their ids. */
  readonly enqueue: (...options: readonly Partial<NewJob>[]) => Promise<readonly JobId[]>;
  /** Enqueues so many plain jobs. */
  readonly enqueueMany: (count: number, options?: Partial<NewJob>) => Promise<readonly JobId[]>;
  /** A worker that is attached until the case ends. */
  readonly worker: (options?: WorkerOptions) => Promise<StoreWorker>;
  /** The record of a job that must be kept. */
  readonly record: (id: JobId) => Promise<JobRecord>;
  /** Sweeps until nothing is left to do, and gives the sums. */
  readonly sweep: (store?: Store) => Promise<Omit<SweepReply, "more">>;
  /** Makes a type known: `mail`, with the default policy, unless said otherwise. */
  readonly putType: (options?: Partial<TypeRecord>, store?: Store) => Promise<TypeRecord>;
  /** Follows events until the case ends; they are kept in the order in which they came. */
  readonly follow: (filter?: Subscribe["filter"], store?: Store) => Promise<FollowedEvents>;
}

/** Events that came, and whether any were lost. */
interface FollowedEvents {
  readonly events: readonly JobEvent[];
  readonly gaps: readonly string[];
  /** Waits for so many events, and gives them. */
  readonly take: (count: number) => Promise<readonly JobEvent[]>;
  readonly close: () => Promise<void>;
}

/** Runs one case in a namespace of its own, and ends all that it started. */
export async function withWorld(
  harness: StoreHarness,
  { run, isAboutOrder = false }: Pick<StoreCase, "run" | "isAboutOrder">,
): Promise<void> {
  const endings: (() => Promise<void>)[] = [];
  try {
    const namespace = `case-${randomUUID().slice(0, 13)}`;
    const store = await openIn(harness, namespace, endings);
    await run(createWorld(harness, { namespace, store, endings, isAboutOrder }));
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

async function openIn(
  harness: StoreHarness,
  namespace: string,
  endings: (() => Promise<void>)[],
): Promise<Store> {
  const store = await harness.open({ namespace });
  endings.push(() => store.close());
  return store;
}

interface Inside {
  readonly namespace: string;
  readonly store: Store;
  readonly endings: (() => Promise<void>)[];
  readonly isAboutOrder: boolean;
}

function createWorld(
  harness: StoreHarness,
  { namespace, store, endings, isAboutOrder }: Inside,
): World {
  const makeAnyId = createIdMaker({ now: Date.now, randomBytes });
  const makeId = (queue: string): JobId => {
    let id = makeAnyId(queue);
    while (isAboutOrder && harness.keepsOrderOf?.(id) === false) id = makeAnyId(queue);
    return id;
  };
  const job = (options: Partial<NewJob> = {}): NewJob => {
    const { queue = options.type ?? "mail" } = options;
    return { id: makeId(queue), type: "mail", queue, input: "{}", ...options };
  };
  const enqueueAll = async (jobs: readonly NewJob[]): Promise<readonly JobId[]> => {
    const replies = await store.enqueue({ jobs });
    assertAllNew(replies, jobs);
    return jobs.map(({ id }) => id);
  };
  return {
    store,
    namespace,
    openSecond: () => openIn(harness, namespace, endings),
    openElsewhere: () => openIn(harness, `${namespace}-elsewhere`, endings),
    advance: async (durationMs) => {
      await harness.advance(durationMs);
    },
    now: async () => (await store.describe()).nowMs,
    job,
    enqueue: (...options) => enqueueAll(options.map((each) => job(each))),
    enqueueMany: (count, options) => enqueueAll(Array.from({ length: count }, () => job(options))),
    worker: (options) => attach(options?.store ?? store, options, endings),
    record: (id) => recordOf(store, id),
    sweep: (swept = store) => sweepAll(swept),
    putType: async (options, into = store) => {
      const type = typeRecord(options);
      await into.putTypes({ types: [type] });
      return type;
    },
    follow: (filter, followed = store) => follow(followed, filter ?? {}, endings),
  };
}

function assertAllNew(replies: readonly EnqueueReply[], jobs: readonly NewJob[]): void {
  assert.deepEqual(
    replies.map(({ id, isNew }) => ({ id, isNew })),
    jobs.map(({ id }) => ({ id, isNew: true })),
    "every job enqueued should be new",
  );
}

async function recordOf(store: Store, id: JobId): Promise<JobRecord> {
  const [record] = await store.get({ ids: [id] });
  assert.ok(record, `job ${id} should be kept`);
  return record;
}

/** A type record: `mail` with the default policy unless said otherwise. */
export function typeRecord(options: Partial<TypeRecord> = {}): TypeRecord {
  const name = options.name ?? "mail";
  return {
    ...DEFAULT_STORE_POLICY,
    name,
    queue: name,
    redactedPaths: [],
    launcher: "in-process",
    ...options,
  };
}

/** Sweeps until a step says that no more is to do. */
async function sweepAll(store: Store): Promise<Omit<SweepReply, "more">> {
  const sum = {
    deadWorkers: [] as string[],
    takenBack: 0,
    crashed: 0,
    cancelled: 0,
    expired: 0,
    removed: 0,
  };
  for (let step = 0; step < 1_000; step += 1) {
    const { more, deadWorkers, ...counts } = await store.sweep({ limit: 1_000 });
    sum.deadWorkers.push(...deadWorkers);
    for (const name of ["takenBack", "crashed", "cancelled", "expired", "removed"] as const) {
      sum[name] += counts[name];
    }
    if (!more) return sum;
  }
  return assert.fail("a sweep should end: it said 1,000 times that there is more to do");
}

async function follow(
  store: Store,
  filter: Subscribe["filter"],
  endings: (() => Promise<void>)[],
): Promise<FollowedEvents> {
  const events: JobEvent[] = [];
  const gaps: string[] = [];
  const subscription = await store.subscribe({
    filter,
    listener: (event) => events.push(event),
    onGap: (reason) => gaps.push(reason),
  });
  endings.push(() => subscription.close());
  return {
    events,
    gaps,
    take: async (count) => {
      await eventually(
        () => events.length >= count,
        () =>
          `${count} events should come, there are: ${events.map(({ kind }) => kind).join(", ")}`,
      );
      return events;
    },
    close: () => subscription.close(),
  };
}

/** Waits until something holds, looking again and again. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  statement: string | (() => string),
): Promise<void> {
  const startedAtMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAtMs > PATIENCE_MS) {
      const told = typeof statement === "string" ? statement : statement();
      assert.fail(`${told}: not so after ${PATIENCE_MS} ms`);
    }
    await pause(POLL_MS);
  }
}

/** Compares those fields of a value that are expected. */
export function assertFields<Value extends object>(actual: Value, expected: Partial<Value>): void {
  const picked: Partial<Value> = {};
  for (const key of Object.keys(expected) as (keyof Value)[]) picked[key] = actual[key];
  assert.deepEqual(picked, expected);
}

/** Checks a time that the store wrote against the one expected, give or take what the case itself took. */
export function assertNear(actualMs: number | null, expectedMs: number, what: string): void {
  assert.ok(actualMs !== null, `${what} should be a time`);
  assert.ok(Number.isInteger(actualMs), `${what} should be whole milliseconds, it is ${actualMs}`);
  assert.ok(
    Math.abs(actualMs - expectedMs) <= SLACK_MS,
    `${what} should be about ${expectedMs}, it is ${actualMs}`,
  );
}
