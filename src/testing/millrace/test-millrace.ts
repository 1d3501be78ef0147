// Millrace for an application's tests: in memory, on a clock that tests move, running jobs when they say.
import { type OptionNames, checkOptions } from "../../core/arguments.ts";
import { AsyncLocalStorage } from "node:async_hooks";
import type { AnyJobType, JobContext } from "../../core/define-job.ts";
import { type Duration, parseDuration } from "../../core/duration.ts";
import { MAX_IDS } from "../../core/limits.ts";
import type { Store } from "../../core/store.ts";
import { openMillrace } from "../../millrace/index.ts";
import type { EnqueueOptions, Millrace, MillraceOptions, Receipt } from "../../runtime/index.ts";
import { openSqliteStore } from "../../stores/sqlite/index.ts";
import { type TestClock, createTestClock } from "../clock.ts";
import { type EnqueuedJob, type ExpectedJob, findEnqueued, recordEnqueued } from "./enqueued.ts";
import { type Abilities, untilIdle } from "./idle.ts";

/** What {@link openTestMillrace} takes: what `openMillrace` does, but for the store. */
export interface TestMillraceOptions extends Pick<
  MillraceOptions,
  "jobs" | "launchers" | "logger" | "worker"
> {
  /** `"inline"` (default) runs a job when it is enqueued; `"manual"` when `drain` says so. */
  readonly mode?: "inline" | "manual";
  /** Longest wait for jobs to end. Default `"10s"`. */
  readonly drainTimeout?: Duration;
}

const TEST_NAMES: OptionNames<TestMillraceOptions> = {
  jobs: true,
  launchers: true,
  logger: true,
  worker: true,
  mode: true,
  drainTimeout: true,
};

/** Millrace in a test. */
export interface TestMillrace extends Millrace {
  /** The store's clock. To run what becomes due, too, use `advance`. */
  readonly clock: TestClock;
  /** Every job that was enqueued and was new, oldest first, whoever enqueued it. */
  readonly enqueued: readonly EnqueuedJob[];
  /**
   * Finds the jobs of a type that are as expected, and gives them.
   *
   * @throws AssertionError that lists what was enqueued instead
   * @example mill.assertEnqueued(sendReceipt, { input: { orderId: "o-1" }, count: 1 });
   */
  readonly assertEnqueued: (type: AnyJobType, expected?: ExpectedJob) => readonly EnqueuedJob[];
  /** The same with a count of 0. */
  readonly assertNotEnqueued: (type: AnyJobType, expected?: Omit<ExpectedJob, "count">) => void;
  /**
   * Runs all that can run now, and what that enqueues, until nothing is left. What waits for its time waits on.
   *
   * @throws MillraceError `WAIT_TIMEOUT` when a job does not end within the `drainTimeout`
   */
  readonly drain: () => Promise<void>;
  /**
   * Lets time pass: delays end, jobs expire, what was kept long enough goes. Inline, what became due is run, schedules
   * included; what a schedule missed on the way is made good by its own rule.
   */
  readonly advance: (duration: Duration) => Promise<void>;
}

/**
 * Opens Millrace for a test: on a store in memory of its own, silent unless given a logger.
 *
 * Inline, `enqueue` comes back when its job, and all that the job enqueued, has ended or waits for its time (a delay, a
 * retry). A job that fails does not make `enqueue` throw, as it does not elsewhere: its receipt's `result()` does. A
 * job that a handler enqueues is run, too, but the handler does not wait for it.
 *
 * @throws MillraceError what `openMillrace` throws
 * @example
 * await using mill = await openTestMillrace({ jobs: [sendReceipt] });
 * const receipt = await mill.enqueue(sendReceipt, { orderId: "o-1" });
 * assert.equal(receipt.state, "succeeded");
 */
export async function openTestMillrace(options: TestMillraceOptions): Promise<TestMillrace> {
  const {
    mode = "inline",
    drainTimeout = "10s",
    ...rest
  } = checkOptions(options, "options", TEST_NAMES);
  const drainTimeoutMs = parseDuration(drainTimeout, "drainTimeout");
  const clock = createTestClock();
  const enqueued: EnqueuedJob[] = [];
  const opened = await openSqliteStore({ path: ":memory:", namespace: "test", clock });
  const store = recordEnqueued(opened, enqueued);
  const inside = new AsyncLocalStorage<true>();
  const types = createTypes(inside);
  const close = async (): Promise<void> => {
    await mill.close();
    await opened.close();
  };
  const mill = await openMillrace({
    logger: false,
    ...rest,
    store,
    jobs: (options.jobs ?? []).map(types.wrap),
    // A lease that no advance of a test ends: its worker is not dead.
    worker: { ...LONG_LEASE, ...options.worker },
  }).catch(async (error: unknown) => {
    await opened.close();
    throw error;
  });
  const abilities: Abilities = {
    types: types.runnable,
    labels: options.worker?.labels ?? [],
    queues: options.worker?.queues,
    now: clock.now,
  };
  const drain = createDrain(mill, () => untilIdle(opened, abilities, drainTimeoutMs));
  // A process that starts keeps the schedules of its job types: their ticks are counted from now on.
  if ((options.jobs ?? []).some(({ schedules }) => schedules.length > 0)) await drain();
  const isInline = (): boolean => mode === "inline" && inside.getStore() === undefined;
  return {
    ...mill,
    ...enqueuing({ mill, store: opened, wrap: types.wrap, drain, isInline }),
    register: (...added) => mill.register(...added.map(types.wrap)),
    start: (type) => mill.start(type === undefined ? undefined : types.wrap(type)),
    stop: (type, stop) => mill.stop(type === undefined ? undefined : types.wrap(type), stop),
    clock,
    enqueued,
    assertEnqueued: (type, expected = {}) => findEnqueued(enqueued, type, expected),
    assertNotEnqueued: (type, expected = {}) => {
      findEnqueued(enqueued, type, { ...expected, count: 0 });
    },
    drain,
    advance: async (duration) => {
      clock.advance(parseDuration(duration, "advance"));
      await sweepAll(opened);
      if (isInline()) await drain();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

const LONG_LEASE = { leaseDuration: "5000w" } as const;

interface Types {
  /** The same type, with a handler that knows that it is inside of a job. */
  readonly wrap: (type: AnyJobType) => AnyJobType;
  /** Names of those that can be run here. */
  readonly runnable: ReadonlySet<string>;
}

function createTypes(inside: AsyncLocalStorage<true>): Types {
  const wrapped = new WeakMap<AnyJobType, AnyJobType>();
  const runnable = new Set<string>();
  const wrap = (type: AnyJobType): AnyJobType => {
    const { run, launch } = type;
    const known = wrapped.get(type);
    if (known !== undefined) return known;
    if (run !== undefined || launch !== undefined) runnable.add(type.name);
    const made: AnyJobType =
      run === undefined
        ? type
        : {
            ...type,
            run: (context: JobContext<unknown>): unknown => inside.run(true, () => run(context)),
          };
    wrapped.set(type, made);
    wrapped.set(made, made);
    return made;
  };
  return { wrap, runnable };
}

/** Drains one at a time: each starts the worker, waits and stops it, so that nothing runs in between. */
function createDrain(mill: Millrace, idle: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  const drainOnce = async (): Promise<void> => {
    await mill.start();
    try {
      await idle();
    } catch (error) {
      await mill.stop(undefined, { grace: 0 });
      throw error;
    }
    await mill.stop();
  };
  return () => {
    const mine = last.then(drainOnce);
    last = mine.catch(() => undefined);
    return mine;
  };
}

interface EnqueuingParts {
  readonly mill: Millrace;
  readonly store: Store;
  readonly wrap: Types["wrap"];
  readonly drain: () => Promise<void>;
  readonly isInline: () => boolean;
}

function enqueuing(
  parts: EnqueuingParts,
): Pick<Millrace, "enqueue" | "enqueueMany" | "enqueueEntries" | "schedules"> {
  const { mill, wrap } = parts;
  return {
    schedules: {
      ...mill.schedules,
      put: ({ type, ...schedule }) =>
        mill.schedules.put({ ...schedule, type: typeof type === "string" ? type : wrap(type) }),
      run: async (name) => {
        const receipt = await mill.schedules.run(name);
        const [ended = receipt] = await settled(parts, [receipt]);
        return ended;
      },
    },
    enqueue: async <Output>(type: AnyJobType, input: unknown, options?: EnqueueOptions) => {
      const [receipt] = await settled(parts, [await mill.enqueue(wrap(type), input, options)]);
      return receipt as Receipt<Output>;
    },
    enqueueMany: async <Input, Output>(
      type: AnyJobType,
      inputs: readonly Input[],
      options?: EnqueueOptions | ((input: Input, index: number) => EnqueueOptions),
    ) => {
      const receipts = await mill.enqueueMany(wrap(type), inputs, options);
      return (await settled(parts, receipts)) as readonly Receipt<Output>[];
    },
    enqueueEntries: async (entries) => {
      const wrapped = entries.map((entry) =>
        typeof entry.type === "string" ? entry : { ...entry, type: wrap(entry.type) },
      );
      return settled(parts, await mill.enqueueEntries(wrapped));
    },
  };
}

/** Inline, runs the jobs first: the receipts tell the states that they have then. */
async function settled(
  { store, drain, isInline }: EnqueuingParts,
  receipts: readonly Receipt[],
): Promise<readonly Receipt[]> {
  if (!isInline()) return receipts;
  await drain();
  const states = new Map<string, Receipt["state"]>();
  for (let start = 0; start < receipts.length; start += MAX_IDS) {
    const ids = receipts.slice(start, start + MAX_IDS).map(({ id }) => id);
    for (const record of await store.get({ ids })) {
      if (record !== null) states.set(record.id, record.state);
    }
  }
  return receipts.map((receipt) => ({ ...receipt, state: states.get(receipt.id) ?? null }));
}

async function sweepAll(store: Store): Promise<void> {
  let more = true;
  while (more) ({ more } = await store.sweep({ limit: MAX_IDS }));
}
