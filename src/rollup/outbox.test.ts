import { describe, expect, it } from "vitest";
import { ManualClock } from "./manual-clock.ts";
import { Outbox } from "./outbox.ts";

function outbox(deliver: (item: string, signal: AbortSignal) => Promise<void>, maxItems = 3) {
  const clock = new ManualClock();
  const told: string[] = [];
  const box = new Outbox<string>({
    deliver,
    retryDelayMs: (attempt) => attempt * 100,
    maxItems,
    clock,
    onDelivered: (item) => told.push(`delivered ${item}`),
    onKept: (item, attempt) => told.push(`kept ${item} ${attempt}`),
    onDropped: (item) => told.push(`dropped ${item}`),
  });
  return { box, clock, told };
}

describe("Outbox", () => {
  it("delivers in order, and tries a failed item again before the next", async () => {
    let failures = 2;
    const { box, clock, told } = outbox(async () => {
      failures -= 1;
      if (failures >= 0) throw new Error("down");
    });
    box.push("a");
    box.push("b");
    await clock.advance(99);
    expect(told).toEqual(["kept a 1"]);
    await clock.advance(1);
    await clock.advance(200);
    expect(told).toEqual(["kept a 1", "kept a 2", "delivered a", "delivered b"]);
    expect(box.size).toBe(0);
  });

  it("tries at once when woken", async () => {
    let up = false;
    const { box, clock, told } = outbox(async () => {
      if (!up) throw new Error("down");
    });
    box.push("a");
    await clock.advance(0);
    up = true;
    box.wake();
    await clock.advance(0);
    expect(told).toEqual(["kept a 1", "delivered a"]);
    expect(clock.timers).toBe(0);
  });

  it("drops the oldest item that is not on its way when it is full, and tells so", async () => {
    const gate = Promise.withResolvers<void>();
    const { box, clock, told } = outbox(() => gate.promise, 2);
    for (const item of ["a", "b", "c"]) box.push(item);
    expect(told).toEqual(["dropped b"]);
    gate.resolve();
    await clock.advance(0);
    expect(told).toEqual(["dropped b", "delivered a", "delivered c"]);
  });

  it("answers what is left when it has to stop, and leaves no timer", async () => {
    const { box, clock } = outbox(async () => {
      throw new Error("down");
    });
    box.push("a");
    box.push("b");
    const left = box.stop(1_000);
    await clock.advance(1_000);
    expect(await left).toEqual(["a", "b"]);
    expect(clock.timers).toBe(0);
  });

  it("lets a delivery that ends during the stop count as delivered", async () => {
    const { box, clock, told } = outbox(
      (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    );
    box.push("a");
    const left = box.stop(1_000);
    await clock.advance(1_000);
    expect(await left).toEqual([]);
    expect(told).toEqual(["delivered a"]);
  });

  it("does not wait for ever for a delivery that ignores the stop", async () => {
    const { box, clock } = outbox(() => new Promise(() => {}));
    box.push("a");
    const left = box.stop(1_000);
    await clock.advance(2_000);
    expect(await left).toEqual(["a"]);
  });
});
