// What is passed by those who have no type checker: every call says what was wrong, and goes on working.
import { describe, expect, test } from "vitest";
import { type EnqueueOptions, type Millrace, defineJob, openMillrace, orderAll } from "../index.ts";

const job = defineJob({ name: "job", run: () => 1 });
const kept = "01a20227-08a4-7000-a4ee-f57ef437030e";

/** As seen without types. */
// oxlint-disable-next-line typescript/no-explicit-any
type Untyped = Record<string, any>;

async function open(): Promise<Millrace & Untyped> {
  return openMillrace({ store: "memory:", jobs: [job], logger: false });
}

const circular: Untyped = {};
circular["self"] = circular;

/** Kinds of things that are none of those which a call takes. */
const NO_OBJECTS = [null, 7, "text", [], 1n, () => 1, new Date(), Promise.resolve({})] as const;
const NO_LISTS = [undefined, null, 7, "text", {}, circular] as const;
const NO_TEXTS = [null, 7, [], {}, circular, 1n, true] as const;
const NO_TIMES = [null, Number.NaN, "never", [1], () => 1, new Date(Number.NaN), 1n] as const;
const NO_TYPES = [undefined, null, 7, {}, [], circular, () => 1] as const;

type Call = (mill: Untyped, wrong: unknown) => unknown;

const CALLS: readonly (readonly [what: string, call: Call, wrong: readonly unknown[]])[] = [
  ["the type of enqueue", (mill, wrong) => mill["enqueue"](wrong, 1), [...NO_TYPES, "job"]],
  ["its options", (mill, wrong) => mill["enqueue"](job, 1, wrong), NO_OBJECTS],
  ["its runAt", (mill, wrong) => mill["enqueue"](job, 1, { runAt: wrong }), NO_TIMES],
  [
    "its labels",
    (mill, wrong) => mill["enqueue"](job, 1, { labels: wrong }),
    [null, 7, "gpu", {}, [null]],
  ],
  [
    "its idempotencyKey",
    (mill, wrong) => mill["enqueue"](job, 1, { idempotencyKey: wrong }),
    NO_TEXTS,
  ],
  [
    "its priority",
    (mill, wrong) => mill["enqueue"](job, 1, { priority: wrong }),
    ["9", [], Number.NaN, 1n],
  ],
  ["its retention", (mill, wrong) => mill["enqueue"](job, 1, { retention: wrong }), NO_OBJECTS],
  [
    "a rule of it",
    (mill, wrong) => mill["enqueue"](job, 1, { retention: { failed: wrong } }),
    [null, []],
  ],
  ["its retry", (mill, wrong) => mill["enqueue"](job, 1, { retry: wrong }), [null, 7, [], 1n]],
  [
    "the type of enqueueMany",
    (mill, wrong) => mill["enqueueMany"](wrong, [1]),
    [...NO_TYPES, "job"],
  ],
  ["its inputs", (mill, wrong) => mill["enqueueMany"](job, wrong), NO_LISTS],
  ["entries", (mill, wrong) => mill["enqueueEntries"](wrong), NO_LISTS],
  ["an entry", (mill, wrong) => mill["enqueueEntries"]([wrong]), NO_OBJECTS],
  [
    "the type of an entry",
    (mill, wrong) => mill["enqueueEntries"]([{ type: wrong, input: 1 }]),
    NO_TYPES,
  ],
  ["a type to register", (mill, wrong) => mill["register"](wrong), NO_TYPES],
  ["a type to start", (mill, wrong) => mill["start"](wrong), NO_TYPES.slice(1)],
  ["a type to stop", (mill, wrong) => mill["stop"](wrong), [...NO_TYPES.slice(1), "job"]],
  ["options of stop", (mill, wrong) => mill["stop"](job, wrong), NO_OBJECTS],
  ["an id", (mill, wrong) => mill["job"](wrong), [undefined, ...NO_TEXTS, "text"]],
  ["a query", (mill, wrong) => mill["jobs"](wrong), NO_OBJECTS],
  ["an unknown part of it", (mill) => mill["jobs"]({ state: ["failed"] }), [0]],
  ...["type", "queue", "tag", "key"].map(
    (part) =>
      [
        `${part} of it`,
        (mill: Untyped, wrong: unknown) => mill["jobs"]({ [part]: wrong }),
        NO_TEXTS,
      ] as const,
  ),
  ["its states", (mill, wrong) => mill["jobs"]({ states: wrong }), ["failed", 7, {}, ["done"]]],
  ["its createdFrom", (mill, wrong) => mill["jobs"]({ createdFrom: wrong }), NO_TIMES],
  ["its error", (mill, wrong) => mill["jobs"]({ error: wrong }), NO_TEXTS],
  ["its input", (mill, wrong) => mill["jobs"]({ input: wrong }), [7, "text", []]],
  [
    "its limit",
    (mill, wrong) => mill["jobs"]({ limit: wrong }),
    [null, 0, -1, 1.5, Number.NaN, 1n],
  ],
  ["its cursor", (mill, wrong) => mill["jobs"]({ cursor: wrong }), NO_TEXTS],
  ["options of logs", (mill, wrong) => mill["logs"](kept, wrong), NO_OBJECTS],
  ["their limit", (mill, wrong) => mill["logs"](kept, { limit: wrong }), [null, 0, Number.NaN, 1n]],
  ["their afterSeq", (mill, wrong) => mill["logs"](kept, { afterSeq: wrong }), [-1, 1.5, "1"]],
  ["options of wait", (mill, wrong) => mill["wait"](kept, wrong), NO_OBJECTS],
  ["their signal", (mill, wrong) => mill["wait"](kept, { signal: wrong }), [null, 7, {}, "text"]],
  ...["cancel", "retry", "remove", "order"].map(
    (name) =>
      [
        `ids of ${name}`,
        (mill: Untyped, wrong: unknown) => mill[name](wrong, { kind: "cancel" }),
        NO_LISTS,
      ] as const,
  ),
  ["a reason", (mill, wrong) => mill["cancel"]([kept], { reason: wrong }), NO_TEXTS],
  ...["pause", "resume", "drain"].flatMap((name) => [
    [
      `the queue of ${name}`,
      (mill: Untyped, wrong: unknown) => mill[name](wrong),
      [undefined, ...NO_TEXTS],
    ] as const,
    [
      `options of ${name}`,
      (mill: Untyped, wrong: unknown) => mill[name]("q", wrong),
      NO_OBJECTS,
    ] as const,
    [
      `by of ${name}`,
      (mill: Untyped, wrong: unknown) => mill[name]("q", { by: wrong }),
      NO_TEXTS,
    ] as const,
  ]),
  ["a filter", (mill, wrong) => mill["subscribe"](wrong, () => {}), [undefined, ...NO_OBJECTS]],
  ["a listener", (mill, wrong) => mill["subscribe"]({}, wrong), [undefined, null, 7, {}]],
  ["a resolution", (mill, wrong) => mill["figures"]({ resolution: wrong }), [7, "day", [], {}]],
  ["a type of figures", (mill, wrong) => mill["figures"]({ type: wrong }), NO_TEXTS],
  ["a query of errors", (mill, wrong) => mill["errors"](wrong), NO_OBJECTS],
  ["an order", (mill, wrong) => mill["order"]([kept], wrong), [undefined, ...NO_OBJECTS, {}]],
  ["its kind", (mill, wrong) => mill["order"]([kept], { kind: wrong }), [undefined, "delete", 7]],
  [
    "its rate",
    (mill, wrong) => mill["order"]([kept], { kind: "retry", rate: wrong }),
    [null, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5", 1n],
  ],
  [
    "its priority",
    (mill, wrong) => mill["order"]([kept], { kind: "prioritize", priority: wrong }),
    [undefined, null, "9", Number.NaN, Number.POSITIVE_INFINITY],
  ],
  ["a step", (mill, wrong) => mill["orderMatching"](wrong), [undefined, ...NO_OBJECTS, {}]],
  [
    "a selection",
    (mill, wrong) => mill["orderMatching"]({ select: wrong, order: { kind: "remove" } }),
    [undefined, ...NO_OBJECTS, { state: ["failed"] }],
  ],
  [
    "a step before",
    (mill, wrong) => mill["orderMatching"]({ select: {}, order: { kind: "retry" }, after: wrong }),
    [...NO_OBJECTS, {}, { changed: -1 }, { changed: 0, pacedFromMs: "1" }],
  ],
  ["limits", (mill, wrong) => mill["limits"](wrong), NO_OBJECTS],
  ["the queue of limits", (mill, wrong) => mill["limits"]({ queue: wrong }), NO_TEXTS],
  [
    "keys of limits",
    (mill, wrong) => mill["limits"]({ queue: "q", keys: wrong }),
    [7, "text", {}, [null], [{ limit: "a", key: 7 }]],
  ],
  ["a limit", (mill, wrong) => mill["setLimit"]("q", wrong), [undefined, ...NO_OBJECTS]],
  ["its rate", (mill, wrong) => mill["setLimit"]("q", { rate: wrong }), [7, "fast", {}, [], 1n]],
  ["options of releaseLimit", (mill, wrong) => mill["releaseLimit"]("q", wrong), NO_OBJECTS],
  ["options of resetLimit", (mill, wrong) => mill["resetLimit"]("q", wrong), NO_OBJECTS],
  ["a run", (mill, wrong) => mill["runs"].get(wrong), [undefined, ...NO_TEXTS]],
  ["a signal", (mill, wrong) => mill["runs"].signal(kept, wrong), [undefined, ...NO_TEXTS]],
  ["its payload", (mill, wrong) => mill["runs"].signal(kept, "s", wrong), [circular, 1n, () => 1]],
  ["a schedule", (mill, wrong) => mill["schedules"].put(wrong), [undefined, ...NO_OBJECTS, {}]],
  [
    "the type of a schedule",
    (mill, wrong) => mill["schedules"].put({ type: wrong, name: "s", every: "1h" }),
    NO_TYPES,
  ],
  ["a query of schedules", (mill, wrong) => mill["schedules"].list(wrong), NO_OBJECTS],
  ["its queue", (mill, wrong) => mill["schedules"].list({ queue: wrong }), NO_TEXTS],
  [
    "the count of a preview",
    (mill, wrong) => mill["schedules"].preview({ every: "1h" }, { count: wrong }),
    [0, 1.5, "1", 1n],
  ],
  [
    "a declaration",
    (mill, wrong) => mill["typeRegistration"].declare("n", wrong),
    [undefined, ...NO_OBJECTS],
  ],
];

test.each(CALLS)("%s of a wrong kind is refused, with what came", async (_, call, wrongs) => {
  await using mill = await open();
  for (const wrong of wrongs) {
    const refused = (async () => call(mill, wrong))();
    await expect(refused, typeof wrong).rejects.toMatchObject({
      name: "MillraceError",
      code: "INVALID_ARGUMENT",
    });
  }
  // A value that reached a store ended it for good.
  await expect(mill.jobs()).resolves.toMatchObject({ jobs: [] });
});

describe("what came is told", () => {
  test("whatever it is", async () => {
    await using mill = await open();
    const told = async (runAt: unknown): Promise<string> => {
      const options = { runAt } as EnqueueOptions;
      const refused: unknown = await mill.enqueue(job, 1, options).catch((error: unknown) => error);
      return refused instanceof Error ? refused.message : "";
    };
    expect(await told(1n)).toMatch(/^runAt is 1n; expected a Date/);
    expect(await told(circular)).toMatch(/^runAt is an object that has no JSON form;/);
    expect(await told(Number.NaN)).toMatch(/^runAt is NaN;/);
    expect(await told(new Date(Number.NaN))).toMatch(/^runAt is an invalid Date;/);
    expect(await told("x".repeat(10_000))).toMatch(/… \(10000 characters\); expected/);
  });

  test("of a schedule, with its own code", async () => {
    await using mill = await open();
    for (const start of NO_TIMES) {
      const put = mill.schedules.put({ type: job, every: "1h", start: start as never });
      await expect(put).rejects.toMatchObject({ code: "INVALID_SCHEDULE" });
    }
  });

  test("where an order on all is given nothing to work on", async () => {
    const refused = { code: "INVALID_ARGUMENT" };
    const step = { select: {}, order: { kind: "retry" } } as const;
    await expect(orderAll(undefined as never, step).next()).rejects.toMatchObject(refused);
    await using mill = await open();
    await expect(orderAll(mill, undefined as never).next()).rejects.toMatchObject(refused);
  });

  test("where Millrace is opened", async () => {
    for (const options of NO_OBJECTS) {
      await expect(openMillrace(options as never)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
    await expect(openMillrace({ jobs: job as never })).rejects.toThrow(
      "expected a list of job types",
    );
  });
});
