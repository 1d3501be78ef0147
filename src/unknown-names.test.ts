// Names that no options have, wherever something is declared, opened or asked for: refused, with the name that was meant.
import { describe, expect, test } from "vitest";
import { collect, defineCollectJob, openFleet } from "./fleet/index.ts";
import { createHttpOperations, createJobService, listenJobService } from "./http/index.ts";
import {
  type Millrace,
  createContainerLauncher,
  createDirectoryBlobs,
  createHttpLauncher,
  createProcessLauncher,
  createThreadLauncher,
  defineGraph,
  defineJob,
  defineWorkflow,
  graphs,
  moveBetween,
  openMillrace,
  openStore,
  orderAll,
  retryAfter,
  snooze,
} from "./index.ts";
import { Aggregator, LookupTable, Rollup, quantiles } from "./rollup/index.ts";
import { openTestMillrace } from "./testing/index.ts";

/** As seen without types. */
// oxlint-disable-next-line typescript/no-explicit-any
type Untyped = Record<string, any>;

const job = defineJob({ name: "job", run: () => 1 });
const kept = "01a20227-08a4-7000-a4ee-f57ef437030e";
const open = async (): Promise<Millrace & Untyped> =>
  openMillrace({ store: "memory:", jobs: [job], logger: false });

const declare = (options: object): unknown => defineJob({ name: "job", run: () => 1, ...options });
const program = { command: ["/bin/true"], size: 0 } as const;
const collection = { command: ["/bin/true"], url: "http://localhost:{port}/", samples: 1 } as const;
const rollup = { window: { size: "1s" }, key: ["a"], sinks: [] } as const;

type Given = (more: never) => unknown;
const more = (options: object): never => options as never;

const DECLARED: readonly (readonly [what: string, given: Given])[] = [
  ["defineJob", declare],
  ["retry", (retry: object) => declare({ retry })],
  [
    "an exponential backoff",
    (rest: object) => declare({ retry: { backoff: { kind: "exponential", ...rest } } }),
  ],
  [
    "a fixed backoff",
    (rest: object) => declare({ retry: { backoff: { kind: "fixed", ...rest } } }),
  ],
  ["retention", (retention: object) => declare({ retention })],
  ["a rule of it", (failed: object) => declare({ retention: { failed } })],
  ["a limit", (limit: object) => declare({ limits: [{ concurrency: 1, ...limit }] })],
  ["its rate", (rate: object) => declare({ limits: [{ rate: { limit: 1, per: "1s", ...rate } }] })],
  ["unique", (unique: object) => declare({ unique })],
  ["debounce", (debounce: object) => declare({ debounce: { wait: "1s", ...debounce } })],
  ["throttle", (throttle: object) => declare({ throttle: { per: "1s", ...throttle } })],
  [
    "batch",
    (batch: object) => defineJob({ name: "b", batch: { size: 2, run: () => {}, ...batch } }),
  ],
  ["launch", (launch: object) => defineJob({ name: "l", launch: { launcher: "x", ...launch } })],
  ["a schedule", (schedule: object) => declare({ schedule: { every: "1h", ...schedule } })],
  ["one of several", (rest: object) => declare({ schedule: [{ every: "1h", ...rest }] })],
  ["its jobs", (rest: object) => declare({ schedule: { every: "1h", job: rest } })],
  [
    "daylightSaving",
    (daylightSaving: object) => declare({ schedule: { cron: "@daily", daylightSaving } }),
  ],
  ["defineWorkflow", (rest: object) => defineWorkflow({ name: "w", run: () => 1, ...rest })],
  [
    "defineGraph",
    (rest: object) =>
      defineGraph({ name: "g", jobs: [job], graph: { steps: { a: { type: "job" } } }, ...rest }),
  ],
  ["retryAfter", (options: object) => retryAfter("1s", "later", options)],
  ["snooze", (options: object) => snooze("1s", options)],
  ["createProcessLauncher", createProcessLauncher],
  ["createThreadLauncher", createThreadLauncher],
  ["createHttpLauncher", createHttpLauncher],
  ["createContainerLauncher", createContainerLauncher],
  ["graphs", (options: object) => graphs([job], options)],
  [
    "openMillrace",
    (rest: object) => openMillrace({ store: "memory:", logger: false, ...rest } as never),
  ],
  [
    "worker",
    (worker: object) => openMillrace({ store: "memory:", logger: false, worker } as never),
  ],
  [
    "blobs",
    (rest: object) =>
      openMillrace({ store: "memory:", logger: false, blobs: { store: "dir:x", ...rest } }),
  ],
  ["createDirectoryBlobs", (rest: object) => createDirectoryBlobs({ path: "x", ...rest })],
  ["openTestMillrace", openTestMillrace],
  ["openFleet", (rest: object) => openFleet({ ...program, ...rest })],
  ["its backoff", (backoff: object) => openFleet({ ...program, backoff })],
  ["its health", (health: object) => openFleet({ ...program, health })],
  ["collect", (rest: object) => collect({ ...collection, workers: 1, ...rest })],
  [
    "defineCollectJob",
    ({ ...rest }: object) => {
      const { samples: _, ...shared } = collection;
      return defineCollectJob({ ...shared, name: "c", maxWorkers: 1, ...rest });
    },
  ],
  ["Rollup", (rest: object) => new Rollup({ ...rollup, ...rest })],
  ["its window", (rest: object) => new Rollup({ ...rollup, window: { size: "1s", ...rest } })],
  ["Aggregator", (options: object) => new Aggregator(options)],
  ["reconnect", (reconnect: object) => new Aggregator({ reconnect })],
  ["LookupTable", (options: object) => new LookupTable(options)],
  ["quantiles", (options: object) => quantiles("a", [0.5], options)],
  [
    "createHttpOperations",
    (rest: object) => createHttpOperations({ url: "http://127.0.0.1:8000", ...rest }),
  ],
] as readonly (readonly [string, Given])[];

type Call = (mill: Untyped, options: object) => unknown;

const CALLED: readonly (readonly [what: string, call: Call])[] = [
  ["enqueue", (mill, options) => mill["enqueue"](job, 1, options)],
  ["its retry", (mill, retry) => mill["enqueue"](job, 1, { retry })],
  ["its retention", (mill, retention) => mill["enqueue"](job, 1, { retention })],
  [
    "its priority",
    (mill, rest) => mill["enqueue"](job, 1, { priority: { headStart: "1m", ...rest } }),
  ],
  ["enqueueMany", (mill, options) => mill["enqueueMany"](job, [1], options)],
  ["its function", (mill, options) => mill["enqueueMany"](job, [1], () => options)],
  ["an entry", (mill, rest) => mill["enqueueEntries"]([{ type: job, input: 1, ...rest }])],
  ["its options", (mill, options) => mill["enqueueEntries"]([{ type: job, input: 1, options }])],
  ["result", async (mill, options) => (await mill["enqueue"](job, 1)).result(options)],
  ["stop", (mill, options) => mill["stop"](undefined, options)],
  ["jobs", (mill, query) => mill["jobs"](query)],
  ["logs", (mill, options) => mill["logs"](kept, options)],
  ["wait", (mill, options) => mill["wait"](kept, options)],
  ["cancel", (mill, options) => mill["cancel"]([kept], options)],
  ...["pause", "resume", "drain"].map(
    (name) => [name, (mill: Untyped, options: object) => mill[name]("q", options)] as const,
  ),
  ["subscribe", (mill, filter) => mill["subscribe"](filter, () => {})],
  ["figures", (mill, query) => mill["figures"](query)],
  ["errors", (mill, query) => mill["errors"](query)],
  ...["cancel", "retry", "remove"].map(
    (kind) =>
      [
        `the order ${kind}`,
        (mill: Untyped, rest: object) => mill["order"]([kept], { kind, ...rest }),
      ] as const,
  ),
  ["orderMatching", (mill, rest) => mill["orderMatching"](step(rest))],
  ["a selection", (mill, select) => mill["orderMatching"]({ ...step({}), select })],
  ["orderAll", (mill, rest) => orderAll(mill as never, step(rest) as never).next()],
  ["its options", (mill, options) => orderAll(mill as never, step({}) as never, options).next()],
  ["limits", (mill, query) => mill["limits"](query)],
  ["setLimit", (mill, rest) => mill["setLimit"]("q", { concurrency: 1, ...rest })],
  ["resetLimit", (mill, options) => mill["resetLimit"]("q", options)],
  ["releaseLimit", (mill, options) => mill["releaseLimit"]("q", options)],
  ["schedules.put", (mill, rest) => mill["schedules"].put({ type: job, every: "1h", ...rest })],
  ["schedules.list", (mill, query) => mill["schedules"].list(query)],
  ["preview", (mill, options) => mill["schedules"].preview({ every: "1h" }, options)],
  ["its rhythm", (mill, rest) => mill["schedules"].preview({ every: "1h", ...rest })],
  ["schedules.pause", (mill, options) => mill["schedules"].pause("s", options)],
  [
    "a declaration",
    (mill, rest) => mill["typeRegistration"].declare("n", { launcher: "remote", ...rest }),
  ],
  [
    "createJobService",
    (mill, rest) => createJobService({ operations: mill, access: OPEN, ...rest } as never),
  ],
  [
    "its access",
    (mill, rest) => createJobService({ operations: mill, access: { ...OPEN, ...rest } } as never),
  ],
  [
    "listenJobService",
    async (mill, rest) => {
      const service = await listenJobService({ operations: mill, port: 0, ...rest } as never);
      await service.close();
    },
  ],
];

const OPEN = { unauthenticated: "loopback" } as const;
const step = (rest: object): object => ({
  select: { states: ["failed"] },
  order: { kind: "retry" },
  ...rest,
});

const REFUSED = { name: "MillraceError", code: "INVALID_ARGUMENT" };
const named = expect.stringContaining('unknown name "nonsense"') as unknown as string;

test.each(DECLARED)("%s has no name that nobody reads", async (_, given) => {
  const refused = (async () => given(more({ nonsense: 1 })))();
  await expect(refused).rejects.toMatchObject({ ...REFUSED, message: named });
});

test.each(CALLED)("%s takes no name that nobody reads", async (_, call) => {
  await using mill = await open();
  const refused = (async () => call(mill, { nonsense: 1 }))();
  await expect(refused).rejects.toMatchObject({ ...REFUSED, message: named });
});

const module = new URL("index.ts", import.meta.url);

test.each([
  ["process", createProcessLauncher(), { command: "true" }],
  ["thread", createThreadLauncher(), { module }],
  ["http", createHttpLauncher(), { url: "https://example.org" }],
  ["container", createContainerLauncher(), { image: "alpine:3" }],
])("what a job type says to the launcher %s has no name that nobody reads", (_, mine, options) => {
  expect(() => mine.check?.(options, "job")).not.toThrow();
  expect(() => mine.check?.({ ...options, nonsense: 1 }, "job")).toThrow(
    'job type job has the unknown name "nonsense" in launch.options; expected ',
  );
});

test("a directory of a container has no name that nobody reads", () => {
  const mounts = { "/data": { from: "/srv/data", isWriteable: true } };
  expect(() => createContainerLauncher().check?.({ image: "alpine:3", mounts }, "job")).toThrow(
    '"isWriteable" in launch.options.mounts./data; did you mean isWritable?',
  );
});

test("a move between stores has no name that nobody reads", async () => {
  const place = { url: "memory:", namespace: "a" };
  const both = { from: place, to: { ...place, namespce: "b" } };
  await expect(moveBetween(both as never)).rejects.toThrow(
    'unknown name "namespce" in to; did you mean namespace?',
  );
});

test("what a test expects has no name that nobody reads", async () => {
  await using mill = await openTestMillrace({ jobs: [job] });
  await mill.enqueue(job, 1);
  expect(() => mill.assertEnqueued(job, { inptu: 2 } as never)).toThrow(
    'what is expected has the unknown name "inptu"; did you mean input?',
  );
});

test.each([
  ["run", (step: Untyped) => step["run"]("a", () => 1, { retry: { attemps: 2 } })],
  ["job", (step: Untyped) => step["job"](job, 1, { timeOut: "1s" })],
  ["map", (step: Untyped) => step["map"](job, [1], { concurency: 1 })],
  ["waitForSignal", (step: Untyped) => step["waitForSignal"]("s", { timeOut: "1s" })],
])("step.%s of a workflow takes no name that nobody reads", async (_, take) => {
  const workflow = defineWorkflow({
    name: "run",
    run: async ({ step }) => {
      await take(step);
    },
  });
  await using mill = await openTestMillrace({ jobs: [job, workflow] });
  const receipt = await mill.enqueue(workflow, null);
  const { error } = (await mill.job(receipt.id)) ?? {};
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(error?.message).toMatch(
    /unknown name "\w+".*did you mean (attempts|timeout|concurrency)\?/,
  );
});

describe("what is told", () => {
  test("is the type, where it stands in it, and the name that was meant", () => {
    expect(() => declare({ timeOut: "1s" })).toThrow(
      'job type job has the unknown name "timeOut"; did you mean timeout?',
    );
    expect(() => declare({ retry: { attemps: 5 } })).toThrow(
      'job type job has the unknown name "attemps" in retry; did you mean attempts?',
    );
    expect(() => declare({ limits: [{ concurrency: 1 }, { onLimt: "wait" }] })).toThrow(
      'job type job has the unknown name "onLimt" in limits[1]; did you mean onLimit?',
    );
  });

  test("of an enqueue, too", async () => {
    await using mill = await open();
    await expect(mill.enqueue(job, 1, { dealy: "1s" } as never)).rejects.toThrow(
      'options has the unknown name "dealy"; did you mean delay?',
    );
    // As other queues call it.
    await expect(mill.enqueue(job, 1, { attempts: 3 } as never)).rejects.toThrow(
      'options has the unknown name "attempts"; did you mean retry: { attempts }?',
    );
  });
});

describe("what may have any names", () => {
  test("is an input, and what belongs to others", async () => {
    const store = { put: async () => {}, nonsense: 1 };
    const logger = { debug() {}, info() {}, warn() {}, error() {}, nonsense: 1 };
    const blobs = { store, above: 1_000 } as never;
    const launcher = { name: "mine", launch: async () => 1, nonsense: 1 };
    const mine = defineJob({
      name: "mine",
      launch: { launcher: "mine", options: { nonsense: 1 } },
    });
    await using mill = await openMillrace({
      store: "memory:",
      blobs,
      logger: logger as never,
      launchers: [launcher],
      jobs: [mine],
    });
    await mill.enqueue(mine, { nonsense: 1 });
    const { jobs } = await mill.jobs({ input: { nonsense: 1 } });
    expect(jobs).toHaveLength(1);
    const fleet = openFleet({ ...program, env: { NONSENSE: "1" } });
    await fleet.stop();
  });

  test("is a name of which nothing is said", async () => {
    expect(declare({ nonsense: undefined, timeout: undefined })).toMatchObject({ name: "job" });
    await using mill = await open();
    await mill.enqueue(job, 1, { nonsense: undefined, delay: undefined } as never);
  });

  test("but not a selection, which would find every job without it", async () => {
    await using mill = await open();
    const select = { state: undefined } as never;
    const remove = mill.orderMatching({ select, order: { kind: "remove" } });
    await expect(remove).rejects.toThrow('unknown name "state"; did you mean states?');
  });
});

test("a job type that is kept with names of another version is used", async () => {
  const store = await openStore({ url: "memory:", namespace: "default" });
  const first = await openMillrace({ store, logger: false });
  await first.typeRegistration.declare("elsewhere", { launcher: "remote", queue: "q" });
  const [record] = await store.types();
  if (record === undefined) throw new Error("the type is not kept");
  const declaration = { launcher: "remote", queue: "q", later: 1, retry: { later: 1 } };
  await store.putTypes({ types: [{ ...record, declaration: JSON.stringify(declaration) }] });
  await first.close();
  const second = await openMillrace({ store, logger: false });
  const [receipt] = await second.enqueueEntries([{ type: "elsewhere", input: 1 }]);
  expect(receipt?.isNew).toBe(true);
  await second.close();
  await store.close();
});
