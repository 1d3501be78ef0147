// The wake-up of a loop.
import { describe, expect, test } from "vitest";
import { Signal } from "./signal.ts";

describe("a signal", () => {
  test("ends a wait at once when it came before", async () => {
    const signal = new Signal();
    signal.notify();
    expect(await signal.wait(60_000)).toBe(true);
  });

  test("ends a wait that is under way, once", async () => {
    const signal = new Signal();
    const waiting = signal.wait(60_000);
    signal.notify();
    signal.notify();
    expect(await waiting).toBe(true);
    expect(await signal.wait(1)).toBe(false);
  });

  test("keeps the earliest of several times", async () => {
    const signal = new Signal();
    const order: string[] = [];
    signal.wakeIn(60_000, () => order.push("late"));
    signal.wakeIn(1, () => order.push("early"));
    expect(await signal.wait(30_000)).toBe(true);
    expect(order).toEqual(["early"]);
    signal.stop();
  });
});
