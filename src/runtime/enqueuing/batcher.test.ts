// The batcher: callers of one moment share a flush, and each gets its own replies.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createBatcher } from "./batcher.ts";

/** A turn of the event loop, in which everything that is ready has been done. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("a batcher", () => {
  test("puts the callers of one moment into one flush and gives each its replies", async () => {
    const flushes: (readonly number[])[] = [];
    const batcher = createBatcher<number, number>(10, async (items) => {
      flushes.push(items);
      return items.map((item) => item * 2);
    });
    const replies = await Promise.all([batcher.add([1, 2]), batcher.add([3]), batcher.add([4])]);
    expect(replies).toEqual([[2, 4], [6], [8]]);
    expect(flushes).toEqual([[1, 2, 3, 4]]);
  });

  test("puts callers whose requests come one by one in a turn of the event loop into one flush", async () => {
    const sizes: number[] = [];
    const batcher = createBatcher<number, number>(10, async (items) => {
      sizes.push(items.length);
      return items;
    });
    const first = batcher.add([1]);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.all([first, batcher.add([2])]);
    expect(sizes).toEqual([2]);
  });

  test("gathers until as many wait as are under way, or nothing is", async () => {
    const gates: (() => void)[] = [];
    const flushes: (readonly number[])[] = [];
    const batcher = createBatcher<number, number>(10, async (items) => {
      flushes.push(items);
      await new Promise<void>((resolve) => {
        gates.push(resolve);
      });
      return items;
    });
    const first = batcher.add([1, 2]);
    await vi.waitFor(() => expect(flushes).toEqual([[1, 2]]));
    const second = batcher.add([3]);
    await turn();
    expect(flushes).toHaveLength(1);
    const third = batcher.add([4]);
    await turn();
    expect(flushes).toEqual([
      [1, 2],
      [3, 4],
    ]);
    const last = batcher.add([5]);
    for (const open of gates.splice(0)) open();
    await vi.waitFor(() => expect(flushes.at(-1)).toEqual([5]));
    for (const open of gates.splice(0)) open();
    expect(await Promise.all([first, second, third, last])).toEqual([[1, 2], [3], [4], [5]]);
  });

  test("is drained when what waits for its turn has its reply as well", async () => {
    const batcher = createBatcher<number, number>(10, async (items) => items);
    const isAnswered = vi.fn<() => void>();
    const answered = batcher.add([1]).then(isAnswered);
    await batcher.drained();
    await answered;
    expect(isAnswered).toHaveBeenCalledOnce();
  });

  test("cuts batches at the bound without cutting a caller's list", async () => {
    const sizes: number[] = [];
    const batcher = createBatcher<number, number>(3, async (items) => {
      sizes.push(items.length);
      return items;
    });
    await Promise.all([batcher.add([1, 2]), batcher.add([3, 4]), batcher.add([5, 6, 7, 8])]);
    expect(sizes).toEqual([2, 2, 4]);
  });

  test("tells every caller of a flush that failed, and goes on", async () => {
    let isBroken = true;
    const batcher = createBatcher<number, number>(10, async (items) => {
      if (isBroken) throw new Error("no store");
      return items;
    });
    const outcomes = await Promise.allSettled([batcher.add([1]), batcher.add([2])]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    isBroken = false;
    expect(await batcher.add([3])).toEqual([3]);
  });

  test("lets callers pass a flush that is held up, and gathers again after it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const held = Promise.withResolvers<void>();
    const flushes: (readonly number[])[] = [];
    const batcher = createBatcher<number, number>(10, async (items) => {
      flushes.push(items);
      if (items.includes(0)) await held.promise;
      return items;
    });
    const stuck = batcher.add([0]);
    await vi.advanceTimersByTimeAsync(0);
    const early = batcher.add([1]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await Promise.all([early, batcher.add([2]), batcher.add([3])])).toEqual([[1], [2], [3]]);
    expect(flushes).toEqual([[0], [1], [2], [3]]);
    const isDrained = vi.fn<() => void>();
    const drained = batcher.drained().then(isDrained);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(isDrained).not.toHaveBeenCalled();
    held.resolve();
    await Promise.all([stuck, drained]);
    await Promise.all([batcher.add([4]), batcher.add([5])]);
    expect(flushes.at(-1)).toEqual([4, 5]);
  });
});
