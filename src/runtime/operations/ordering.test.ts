// Orders on many jobs, why a job waits, errors and draining, as a developer and an operator have them.
import { afterEach, describe, expect, test } from "vitest";
import { type AnyJobType, defineJob } from "../../core/define-job.ts";
import { fatal } from "../../core/outcomes.ts";
import { openMillrace } from "../../millrace/index.ts";
import type { Millrace, MillraceOptions } from "../millrace.ts";
import { type OrderTotals, orderAll } from "./order-operations.ts";

const opened: Millrace[] = [];
async function open(jobs: readonly AnyJobType[], options: MillraceOptions = {}): Promise<Millrace> {
  const mill = await openMillrace({ store: "memory:", logger: false, jobs, ...options });
  opened.push(mill);
  return mill;
}
afterEach(async () => {
  for (const mill of opened.splice(0)) {
    await mill.stop(undefined, { grace: 0 });
    await mill.close();
  }
});

const inputs: unknown[] = [];
const pay = defineJob({
  name: "pay",
  redact: ["card"],
  run: ({ input }) => {
    inputs.push(input);
    const { order } = input as { readonly order: number };
    if (order < 100) throw fatal(`order ${order} is not found`);
    return order;
  },
});

async function failMany(mill: Millrace, count: number): Promise<void> {
  const receipts = await mill.enqueueMany(
    pay,
    Array.from({ length: count }, (_, order) => ({
      order,
      customer: `c${order % 2}`,
      card: "4111-1111",
    })),
  );
  await mill.start();
  await Promise.allSettled(receipts.map((receipt) => receipt.result()));
  await mill.stop();
}

describe("orders on what a selection fits", () => {
  test("a dry run shows what it counts, however far the store has to look for it", async () => {
    const mill = await open([pay]);
    const orders = Array.from({ length: 2_500 }, (_, order) => ({ order }));
    for (const from of [0, 1_000, 2_000])
      await mill.enqueueMany(pay, orders.slice(from, from + 1_000));
    const select = { input: { order: 3 } };
    const step = await mill.orderMatching({ select, order: { kind: "cancel" }, dryRun: true });
    expect(step).toMatchObject({ unindexed: ["input"], sample: [{ type: "pay" }] });
  });

  test("a dry run counts and shows some, masked, and changes nothing", async () => {
    const mill = await open([pay]);
    await failMany(mill, 8);
    const dry = await mill.orderMatching({
      select: { states: ["failed"], input: { customer: "c1" } },
      order: { kind: "remove" },
      dryRun: true,
    });
    expect(dry).toMatchObject({ matched: 4, changed: 0, unindexed: ["input"] });
    expect(dry.cursor).toBeUndefined();
    expect(dry.sample).toHaveLength(4);
    expect(JSON.stringify(dry.sample)).not.toContain("4111-1111");
    expect((await mill.jobs({ states: ["failed"] })).jobs).toHaveLength(8);
  });

  test("are carried out step by step, and tell how far they are", async () => {
    const mill = await open([pay]);
    await failMany(mill, 10);
    const seen: OrderTotals[] = [];
    const select = { states: ["failed"] } as const;
    const step = { select, order: { kind: "retry", input: { order: 100 } }, limit: 4 } as const;
    for await (const totals of orderAll(mill, step)) seen.push(totals);
    expect(seen.map(({ changed }) => changed)).toEqual([4, 8, 10]);
    expect(seen.at(-1)).toMatchObject({ matched: 10, isDone: true });
    const ids = (await mill.jobs({ type: "pay" })).jobs.map(({ id }) => id);
    await mill.start();
    for (const id of ids) expect(await mill.wait(id)).toMatchObject({ state: "succeeded" });
  });

  test("stop between two steps when told to", async () => {
    const mill = await open([pay]);
    await failMany(mill, 10);
    const stop = new AbortController();
    const step = { select: {}, order: { kind: "remove" }, limit: 3 } as const;
    let last: OrderTotals | undefined;
    for await (last of orderAll(mill, step, { signal: stop.signal })) stop.abort();
    expect(last).toMatchObject({ changed: 3, isDone: false });
    expect((await mill.jobs()).jobs).toHaveLength(7);
  });

  test("bring dead letters back at a rate", async () => {
    const mill = await open([pay]);
    await failMany(mill, 5);
    const [group] = await mill.errors();
    expect(group).toMatchObject({
      type: "pay",
      title: "FatalError: order <n> is not found",
      count: 5,
    });
    const select = { error: group?.fingerprint ?? "" };
    const order = { kind: "retry", rate: 2, delay: "1h" } as const;
    expect(await mill.orderMatching({ select, order })).toMatchObject({ changed: 5 });
    const due = (await mill.jobs({ states: ["scheduled"] })).jobs
      .map(({ dueAt }) => Date.parse(dueAt))
      .sort((left, right) => left - right);
    expect(due.map((atMs) => atMs - (due[0] ?? 0))).toEqual([0, 500, 1_000, 1_500, 2_000]);
  });

  test("bring them back at one pace over many steps", async () => {
    const mill = await open([pay]);
    await failMany(mill, 7);
    const everyMs = 3_600_000;
    const order = { kind: "retry", rate: 1_000 / everyMs } as const;
    for await (const _ of orderAll(mill, { select: { states: ["failed"] }, order, limit: 2 }));
    const due = (await mill.jobs()).jobs.map(({ dueAt }) => Date.parse(dueAt));
    due.sort((left, right) => left - right);
    const [, second = 0] = due;
    // The first is ready at once, from when it is changed.
    expect(due.slice(1).map((atMs) => atMs - second)).toEqual(
      [0, 1, 2, 3, 4, 5].map((n) => n * everyMs),
    );
  });

  test.each([
    [{ kind: "reschedule" }],
    [{ kind: "retry", rate: 0 }],
    [{ kind: "move", queue: "" }],
    [{ kind: "reschedule", runAt: "soon" }],
  ] as const)("%j is refused", async (order) => {
    const mill = await open([pay]);
    await expect(mill.orderMatching({ select: {}, order })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(mill.order([], order)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("move, reschedule and prioritize what waits", async () => {
    const mill = await open([pay]);
    const receipt = await mill.enqueue(pay, { order: 1 });
    const [moved] = await mill.order([receipt.id], { kind: "move", queue: "slow" });
    const id = moved?.changed === true ? (moved.id ?? "") : "";
    expect(await mill.job(id)).toMatchObject({ queue: "slow", state: "ready" });
    expect(await mill.job(receipt.id)).toBeNull();
    const runAt = new Date(Date.now() + 3_600_000);
    await mill.order([id], { kind: "reschedule", runAt });
    await mill.order([id], { kind: "prioritize", priority: { headStart: "90s" } });
    expect(await mill.job(id)).toMatchObject({
      state: "scheduled",
      dueAt: runAt.toISOString(),
      priorityHeadStartMs: 90_000,
    });
  });
});

describe("why a job is not running", () => {
  test("is told from its time to its place in the queue", async () => {
    const gpu = defineJob({ name: "render", labels: ["gpu"], run: () => null });
    const mill = await open([pay, gpu]);
    const [first, second] = await mill.enqueueMany(pay, [{ order: 1 }, { order: 2 }]);
    const later = await mill.enqueue(pay, { order: 3 }, { delay: "1h" });
    const sentence = async (id = ""): Promise<string> => (await mill.why(id))?.sentence ?? "";
    expect(await sentence(first?.id)).toBe("No worker is alive.");
    expect(await sentence(second?.id)).toMatch(
      /^No worker is alive; 1 job of its queue comes first/,
    );
    expect(await sentence(later.id)).toMatch(/^It is due in /);
    await mill.pause("pay", { by: "ann", reason: "outage" });
    await mill.start();
    expect(await sentence(first?.id)).toMatch(/^The queue pay was paused by ann .* \(outage\)/);
    const render = await mill.enqueue(gpu, null);
    expect(await mill.why(render.id)).toMatchObject({
      state: "ready",
      reasons: [{ kind: "no-labels", labels: ["gpu"], missing: ["gpu"], workers: 1 }],
    });
    await mill.resume("pay");
    await mill.wait(second?.id ?? "");
    expect(await sentence(second?.id)).toBe("It has ended: it failed for good.");
    expect(await mill.why("0199d3c0-0000-7000-8000-000000000001")).toBeNull();
  });
});

describe("the place of a job that waits", () => {
  test("counts no job that the workers which could take it do not take", async () => {
    const mill = await open([pay]);
    await mill.start();
    await mill.pause("pay");
    await mill.enqueueMany(
      pay,
      Array.from({ length: 7 }, () => ({ order: 100 })),
      { labels: ["gpu"] },
    );
    const [, , last] = await mill.enqueueMany(pay, [{ order: 1 }, { order: 2 }, { order: 3 }]);
    expect(await mill.why(last?.id ?? "")).toMatchObject({
      reasons: [{ kind: "paused" }, { kind: "behind", ahead: 2 }],
    });
  });
});

describe("a job of a type of which each worker runs but one at a time", () => {
  test("is told to wait for that one", async () => {
    const { promise: end, resolve: letEnd } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const print = defineJob({
      name: "print",
      concurrency: 1,
      run: async () => {
        begin();
        await end;
      },
    });
    const mill = await open([print]);
    await mill.start();
    const [first, second] = await mill.enqueueMany(print, [1, 2]);
    await begun;
    expect(await mill.why(second?.id ?? "")).toMatchObject({
      reasons: [{ kind: "workers-full", workers: 1, running: 1, ofType: 1 }],
    });
    letEnd();
    await Promise.all([first?.result(), second?.result()]);
  });
});

describe("a draining queue", () => {
  test("refuses new jobs, runs out, and is open again when it is resumed", async () => {
    const mill = await open([pay]);
    const before = await mill.enqueue(pay, { order: 100 });
    await mill.drain("pay", { by: "ann", reason: "moving" });
    const refused = { code: "QUEUE_DRAINING" };
    await expect(mill.enqueue(pay, { order: 100 })).rejects.toMatchObject(refused);
    await expect(mill.enqueueMany(pay, [{ order: 100 }])).rejects.toMatchObject(refused);
    expect(await mill.queues()).toMatchObject([{ draining: { by: "ann", reason: "moving" } }]);
    await mill.start();
    expect(await before.result()).toBe(100);
    await mill.resume("pay");
    expect(await (await mill.enqueue(pay, { order: 101 })).result()).toBe(101);
  });
});
