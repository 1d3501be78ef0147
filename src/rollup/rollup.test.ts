import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isMillraceError } from "../core/errors.ts";
import { LookupTable } from "./lookup-table.ts";
import { ManualClock } from "./manual-clock.ts";
import { max, min, quantiles, sum } from "./measures.ts";
import type { RollupNotice, RollupOptions, RollupWindow } from "./rollup-options.ts";
import { Rollup } from "./rollup.ts";

function started(options: Partial<RollupOptions> = {}) {
  const clock = new ManualClock();
  const windows: RollupWindow[] = [];
  const notices: RollupNotice[] = [];
  const rollup = new Rollup({
    window: { size: 1_000 },
    key: ["team"],
    sinks: [{ name: "list", deliver: async (window) => void windows.push(window) }],
    notify: (notice) => notices.push(notice),
    random: () => 1,
    clock,
    ...options,
  });
  rollup.start();
  return { rollup, clock, windows, notices };
}

function counts(window: RollupWindow | undefined): Record<string, number> {
  return Object.fromEntries(
    [...window!.rows()].map((row) => [Object.values(row.key).join(" "), row.count]),
  );
}

describe("a tumbling roll-up", () => {
  it("counts by the fields of the key, and starts the next window at nothing", async () => {
    const { rollup, clock, windows } = started({ key: ["team", "status", "ok"] });
    rollup.add({ team: "a", status: 200, ok: true });
    rollup.add({ team: "a", status: 200, ok: true });
    rollup.add({ team: "a", status: "200", ok: true });
    await clock.advance(1_000);
    rollup.add({ team: "b", status: 500, ok: false });
    await clock.advance(1_000);
    expect([...windows[0]!.rows()].map((row) => [row.key, row.count])).toEqual([
      [{ team: "a", status: 200, ok: true }, 2],
      [{ team: "a", status: "200", ok: true }, 1],
    ]);
    expect(counts(windows[1])).toEqual({ "b 500 false": 1 });
    expect(windows.map((window) => window.sequence)).toEqual([1, 2]);
  });

  it("measures sums, extremes and quantiles, and passes over events without the field", async () => {
    const { rollup, clock, windows } = started({
      measures: {
        bytes: sum("bytes"),
        least: min("bytes"),
        most: max("bytes"),
        spread: quantiles("bytes", [0, 1]),
      },
    });
    for (const bytes of [10, 30, 20]) rollup.add({ team: "a", bytes });
    rollup.add({ team: "a", bytes: "many" });
    rollup.add({ team: "b" });
    await clock.advance(1_000);
    const [a, b] = [...windows[0]!.rows()];
    expect(a).toMatchObject({ count: 4, measures: { bytes: 60, least: 10, most: 30 } });
    const [low, high] = a!.measures["spread"] as [number, number];
    expect([Math.round(low), Math.round(high)]).toEqual([10, 30]);
    expect(b!.measures).toEqual({ bytes: undefined, least: undefined, most: undefined });
  });

  it("counts events that lack a field of the key apart", async () => {
    const { rollup, clock, windows } = started();
    rollup.add({});
    rollup.add({ team: null });
    await clock.advance(1_000);
    expect([windows[0]!.events, windows[0]!.incomplete]).toEqual([0, 2]);
  });

  it("keeps the sums when there are more keys than it may hold", async () => {
    const { rollup, clock, windows } = started({ maxKeys: 3, measures: { bytes: sum("bytes") } });
    for (let at = 0; at < 100; at += 1) rollup.add({ team: `t${at % 10}`, bytes: 1 });
    await clock.advance(1_000);
    const [window] = windows;
    expect([window!.size, window!.events]).toEqual([3, 100]);
    expect(window!.overflow()).toEqual({ count: 70, measures: { bytes: 70 } });
  });

  it("delivers the open window when it stops, once, and counts nothing after", async () => {
    const { rollup, clock, windows } = started();
    rollup.add({ team: "a" });
    await Promise.all([rollup.stop(), rollup.stop()]);
    rollup.add({ team: "a" });
    rollup.start();
    await clock.advance(5_000);
    expect(windows.map(counts)).toEqual([{ a: 1 }]);
    expect(clock.timers).toBe(0);
  });

  it("refuses options it cannot keep", () => {
    for (const wrong of [
      { key: [] },
      { window: { size: 1_000, slide: 300 } },
      { lookup: { other: new LookupTable() } },
      { maxKeys: 0 },
    ]) {
      expect(() => started(wrong)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    expect(() => started({ window: { size: "soon" } })).toThrow(/duration|expected/);
  });
});

describe("a sliding roll-up", () => {
  it("covers its size at every slide", async () => {
    const { rollup, clock, windows } = started({
      window: { size: 3_000, slide: 1_000 },
      measures: { most: max("bytes"), middle: quantiles("bytes", [0.5]) },
    });
    for (const bytes of [1, 2, 3, 4]) {
      rollup.add({ team: "a", bytes });
      await clock.advance(1_000);
    }
    expect(windows.map(counts)).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }, { a: 3 }]);
    expect(windows.map((window) => window.durationMs)).toEqual([1_000, 2_000, 3_000, 3_000]);
    const [row] = [...windows[3]!.rows()];
    expect(row!.measures["most"]).toBe(4);
    expect(Math.round((row!.measures["middle"] as number[])[0]!)).toBe(3);
  });
});

describe("lookups", () => {
  it("count for the parent, and for the new one from a move on", async () => {
    const teamOf = new LookupTable();
    const { rollup, clock, windows } = started({ lookup: { team: teamOf } });
    teamOf.set("cart", "shop");
    rollup.add({ team: "cart" });
    teamOf.set("cart", "payments");
    rollup.add({ team: "cart" });
    rollup.add({ team: "cart" });
    await clock.advance(1_000);
    expect(counts(windows[0])).toEqual({ shop: 1, payments: 2 });
  });

  it("hold an event for its association, and tell it when none comes in time", async () => {
    const teamOf = new LookupTable();
    const { rollup, clock, windows } = started({
      key: ["from", "to"],
      lookup: { from: teamOf, to: teamOf },
      hold: { maxWait: 1_500, maxEvents: 3 },
    });
    teamOf.set("a", "first");
    rollup.add({ from: "a", to: "late" });
    rollup.add({ from: "never", to: "a" });
    rollup.add({ from: "late", to: "late" });
    rollup.add({ from: "one", to: "many" });
    teamOf.set("a", "moved");
    await clock.advance(1_000);
    teamOf.set("late", "second");
    await clock.advance(1_000);
    expect(windows.map(counts)).toEqual([{}, { "first second": 1, "second second": 1 }]);
    expect(windows.map((window) => window.unattributed)).toEqual([
      { expired: 0, refused: 1, stopped: 0 },
      { expired: 1, refused: 0, stopped: 0 },
    ]);
  });

  it("conserve every event: counted, overflowed, unattributed and incomplete make the sum", async () => {
    const event = fc.record(
      { from: fc.constantFrom("a", "b", "c", "d", "e"), to: fc.constantFrom("a", "b", "x") },
      { requiredKeys: ["from"] },
    );
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ add: event }) },
      fc.record({ set: fc.constantFrom("a", "b", "c", "d") }),
      fc.record({ wait: fc.nat(900) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const table = new LookupTable();
        const { rollup, clock, windows } = started({
          key: ["from", "to"],
          lookup: { from: table, to: table },
          maxKeys: 3,
          hold: { maxWait: 700, maxEvents: 4 },
        });
        let added = 0;
        for (const taken of steps) {
          if ("add" in taken) {
            rollup.add(taken.add);
            added += 1;
          } else if ("set" in taken) table.set(taken.set, `parent of ${taken.set}`);
          else await clock.advance(taken.wait);
        }
        await rollup.stop();
        const told = windows.reduce((total, window) => {
          const { expired, refused, stopped } = window.unattributed;
          const rows = [...window.rows()].reduce((rowTotal, row) => rowTotal + row.count, 0);
          const overflow = window.overflow()?.count ?? 0;
          expect(rows + overflow).toBe(window.events);
          return total + window.events + expired + refused + stopped + window.incomplete;
        }, 0);
        expect(told).toBe(added);
      }),
      { numRuns: 60 },
    );
  });
});

describe("sinks", () => {
  it("are tried again while counting goes on, and get every window once and in order", async () => {
    let up = false;
    const got: number[] = [];
    const { rollup, clock, notices } = started({
      sinks: [
        {
          name: "flaky",
          deliver: async (window) => {
            if (!up) throw new Error("down");
            got.push(window.sequence);
          },
        },
      ],
    });
    await clock.advance(3_000);
    up = true;
    rollup.add({ team: "a" });
    await clock.advance(60_000);
    expect(got.slice(0, 5)).toEqual([1, 2, 3, 4, 5]);
    expect(notices.filter((notice) => notice.kind === "kept").length).toBeGreaterThan(0);
    expect(notices.filter((notice) => notice.kind === "dropped")).toEqual([]);
    await rollup.stop();
  });

  it("that never settle count as failed after their deadline, and what stop leaves is told", async () => {
    const { rollup, clock, notices } = started({
      attemptTimeout: 200,
      sinks: [{ name: "stuck", deliver: () => new Promise(() => {}) }],
    });
    await clock.advance(1_200);
    const [kept] = notices;
    expect(kept).toMatchObject({ kind: "kept", sink: "stuck", sequence: 1, attempt: 1 });
    expect(kept?.kind === "kept" && isMillraceError(kept.error, "WAIT_TIMEOUT")).toBe(true);
    const stopped = rollup.stop({ deadline: 300 });
    await clock.advance(5_000);
    await stopped;
    expect(notices.filter((notice) => notice.kind === "dropped")).toEqual([
      { kind: "dropped", sink: "stuck", sequence: 1 },
      { kind: "dropped", sink: "stuck", sequence: 2 },
    ]);
    expect(clock.timers).toBe(0);
  });
});
