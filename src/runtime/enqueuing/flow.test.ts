// Keys that are read from inputs, and types that a store can't serve.
import { describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import { openMillrace } from "../../millrace/index.ts";
import { checkFlow, hasFlow, readFlowOf } from "./flow.ts";

const read = (input: unknown): string => (input as { region: string }).region.toUpperCase();

describe("keys of a new job", () => {
  const type = defineJob({
    name: "mail",
    limits: [
      { name: "customer", key: "customer" },
      { name: "region", key: (input) => (input as { region?: string }).region, concurrency: 1 },
      { concurrency: 10 },
    ],
  });

  test("are those that its input has, one a limit", () => {
    expect(readFlowOf(type, { customer: 7, region: "eu" }, {})).toEqual({
      keys: [
        { limit: "customer", key: "7" },
        { limit: "region", key: "eu" },
      ],
    });
    expect(readFlowOf(type, {}, {})).toEqual({});
  });

  test("have the queue among them where its limit makes a choice at enqueue", () => {
    const dropping = defineJob({ name: "mail", limits: [{ concurrency: 1, onLimit: "drop-new" }] });
    expect(readFlowOf(dropping, {}, {}).keys).toEqual([
      { limit: "queue", key: "queue", onLimit: "drop-new" },
    ]);
  });

  test("must be texts that can be kept", () => {
    expect(() => readFlowOf(type, { customer: "" }, {})).toThrow("key of limit customer");
    const wrong = defineJob({ name: "mail", limits: [{ key: () => ({}) as string }] });
    expect(() => readFlowOf(wrong, {}, {})).toThrow("of type object");
    // What is at a path may be anything: a job with another kind of key would pass its limit by.
    expect(() => readFlowOf(type, { customer: true }, {})).toThrow("of type boolean");
    expect(readFlowOf(type, { customer: null }, {})).toEqual({});
  });

  test("that a function fails to read are told as a wrong input", () => {
    const limited = defineJob({ name: "mail", limits: [{ name: "region", key: read }] });
    const unique = defineJob({ name: "mail", unique: { by: read } });
    for (const [each, what] of [
      [limited, "the key of limit region of job type mail can't be read from the input"],
      [unique, "a job of type mail one with others"],
    ] as const) {
      expect(() => readFlowOf(each, {}, {})).toThrow(
        expect.objectContaining({
          code: "INVALID_INPUT",
          message: expect.stringContaining(what),
          cause: expect.any(TypeError),
        }),
      );
    }
  });
});

function keyOf(by: string[] | "input", input: unknown): string | undefined {
  return readFlowOf(defineJob({ name: "mail", unique: { by } }), input, {}).unique?.key;
}

describe("sameness of new jobs", () => {
  test("is that of inputs, in whatever order their fields are", () => {
    expect(keyOf("input", { a: 1, b: [{ c: 2, d: 3 }] })).toBe(
      keyOf("input", { b: [{ d: 3, c: 2 }], a: 1 }),
    );
    expect(keyOf("input", { a: 1 })).not.toBe(keyOf("input", { a: "1" }));
  });

  test("is that of the fields asked for alone", () => {
    expect(keyOf(["order.id"], { order: { id: 1 }, at: 1 })).toBe(
      keyOf(["order.id"], { order: { id: 1 }, at: 2 }),
    );
  });

  test("within a time is kept as an idempotency key, and does not go with another one", () => {
    const type = defineJob({ name: "mail", throttle: { by: () => "k", per: "1m" } });
    expect(readFlowOf(type, {}, {})).toEqual({ idempotency: { key: "=k", rememberMs: 60_000 } });
    const idempotency = { key: "mine", rememberMs: 1 };
    expect(() => readFlowOf(type, {}, { idempotency })).toThrow("expected one of them");
  });

  test("of a debounced one says when it is due", () => {
    const type = defineJob({ name: "mail", debounce: { by: () => "k", wait: "5s" } });
    expect(readFlowOf(type, {}, {})).toEqual({
      delayMs: 5_000,
      unique: { key: "=k", while: "waiting", debounce: { waitMs: 5_000, longestMs: 50_000 } },
    });
    expect(() => readFlowOf(type, {}, { delayMs: 1 })).toThrow("debounced");
  });
});

test("a type that says nothing of flow costs no look at its inputs", () => {
  expect(hasFlow(defineJob({ name: "mail" }))).toBe(false);
  expect(hasFlow(defineJob({ name: "mail", limits: [{ concurrency: 1 }] }))).toBe(false);
});

test("a type with limits is refused where the store can't hold them", () => {
  const store = { capabilities: new Set<never>() };
  const limited = defineJob({ name: "mail", limits: [{ concurrency: 1 }] });
  expect(() => checkFlow(store, [limited])).toThrow('lacks the capability "limits"');
  const unique = defineJob({ name: "mail", unique: true });
  expect(() => checkFlow(store, [unique])).toThrow('lacks the capability "unique"');
  expect(() =>
    checkFlow(store, [defineJob({ name: "mail", throttle: { per: "1m" } })]),
  ).not.toThrow();
});

test.each([
  { throttle: { by: ["to"], per: "1h" } },
  { unique: { by: ["to"], within: "1h" } },
] as const)("a job that one stands for by %j is told to be no new one, and why", async (flow) => {
  const type = defineJob({ name: "mail", ...flow });
  await using mill = await openMillrace({ store: "memory:", jobs: [type], logger: false });
  const [first, second, other] = await mill.enqueueMany(type, [
    { to: "ada", n: 1 },
    { to: "ada", n: 2 },
    { to: "bob" },
  ]);
  expect([first?.because, other?.because]).toEqual([undefined, undefined]);
  expect(second).toMatchObject({ id: first?.id, isNew: false, because: "unique" });
});
