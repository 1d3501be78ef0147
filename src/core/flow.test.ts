// Windows of rates, limits in force, and when a job stands for others.
import { describe, expect, test } from "vitest";
import {
  NO_STARTS,
  type Starts,
  type UniqueWhile,
  debouncedDueAtMs,
  isStandingFor,
  limitTable,
  noteStarts,
  roomInWindow,
} from "./flow.ts";

const HUNDRED_A_SECOND = { limit: 100, perMs: 1_000 };

describe("a rate", () => {
  test("lets a whole window's worth start at once, and the next when the first leave the window", () => {
    const starts = noteStarts(NO_STARTS, HUNDRED_A_SECOND, 5_000, 100);
    expect(roomInWindow(starts, HUNDRED_A_SECOND, 5_400)).toEqual({ room: 0, opensInMs: 600 });
    expect(roomInWindow(starts, HUNDRED_A_SECOND, 6_000)).toEqual({ room: 100, opensInMs: 0 });
  });

  test("loses nothing to steps where its window has few starts", () => {
    let starts: Starts = NO_STARTS;
    for (let nowMs = 1_000; nowMs < 1_200; nowMs += 2) {
      starts = noteStarts(starts, HUNDRED_A_SECOND, nowMs, 1);
    }
    expect(roomInWindow(starts, HUNDRED_A_SECOND, 1_999)).toEqual({ room: 0, opensInMs: 1 });
    expect(roomInWindow(starts, HUNDRED_A_SECOND, 2_000)).toEqual({ room: 1, opensInMs: 0 });
    expect(roomInWindow(starts, HUNDRED_A_SECOND, 2_003)).toEqual({ room: 2, opensInMs: 0 });
  });

  test("of many starts is kept in bounded steps, and never exceeded for it", () => {
    const rate = { limit: 10_000, perMs: 1_000 };
    const times: number[] = [];
    let starts: Starts = NO_STARTS;
    for (let nowMs = 1_000; nowMs < 6_000; nowMs += 1) {
      const count = Math.min(roomInWindow(starts, rate, nowMs).room, 20);
      if (count > 0) starts = noteStarts(starts, rate, nowMs, count);
      for (let each = 0; each < count; each += 1) times.push(nowMs);
    }
    for (let index = rate.limit; index < times.length; index += 1) {
      expect((times[index] ?? 0) - (times[index - rate.limit] ?? 0)).toBeGreaterThanOrEqual(1_000);
    }
    expect(times.length).toBeGreaterThan(49_000);
    expect(starts.length).toBeLessThanOrEqual(201);
  });

  test("is never exceeded within any window, however starts come, and hardly held below", () => {
    const times: number[] = [];
    let starts: Starts = NO_STARTS;
    // A claim every 7 ms takes all that there is room for.
    for (let nowMs = 1_000; nowMs < 61_000; nowMs += 7) {
      const { room } = roomInWindow(starts, HUNDRED_A_SECOND, nowMs);
      const count = Math.min(room, 3);
      if (count === 0) continue;
      starts = noteStarts(starts, HUNDRED_A_SECOND, nowMs, count);
      for (let each = 0; each < count; each += 1) times.push(nowMs);
    }
    for (let index = 100; index < times.length; index += 1) {
      expect((times[index] ?? 0) - (times[index - 100] ?? 0)).toBeGreaterThanOrEqual(1_000);
    }
    expect(times.length).toBeGreaterThan(5_880);
    expect(starts.length).toBeLessThanOrEqual(201);
  });

  test("waits for as many to leave the window as a lowered limit asks", () => {
    let starts = noteStarts(NO_STARTS, HUNDRED_A_SECOND, 1_000, 40);
    starts = noteStarts(starts, HUNDRED_A_SECOND, 1_500, 40);
    const lowered = { limit: 40, perMs: 1_000 };
    expect(roomInWindow(starts, lowered, 1_600)).toEqual({ room: 0, opensInMs: 900 });
  });

  test("forgets starts of a clock that was far ahead", () => {
    const starts = noteStarts(NO_STARTS, HUNDRED_A_SECOND, 900_000, 100);
    expect(roomInWindow(starts, HUNDRED_A_SECOND, 5_000).room).toBe(100);
  });
});

describe("the limits in force", () => {
  const limit = { name: "key", concurrency: 5, rate: null };

  test("are the stricter of those that types of one queue declare", () => {
    const stricter = { name: "key", concurrency: 2, rate: { limit: 1, perMs: 1_000 } };
    const table = limitTable(
      [
        { queue: "mail", limits: [limit] },
        { queue: "mail", limits: [stricter] },
        { queue: "other" },
      ],
      [],
    );
    expect(table.get("mail")?.get("key")?.bounds).toEqual({
      concurrency: 2,
      rate: { limit: 1, perMs: 1_000 },
    });
    expect(table.has("other")).toBe(false);
  });

  test("are what was set by hand, in place of what is declared", () => {
    const bounds = { concurrency: 50, rate: null };
    const change = { bounds, by: "ops", atMs: 7 };
    const table = limitTable(
      [{ queue: "mail", limits: [limit] }],
      [{ queue: "mail", name: "key", change }],
    );
    expect(table.get("mail")?.get("key")).toEqual({
      bounds,
      declared: { concurrency: 5, rate: null },
      set: change,
    });
  });
});

function statesStandingFor(during: UniqueWhile): readonly string[] {
  const states = ["scheduled", "ready", "running", "waiting", "succeeded"];
  return states.filter((state) => isStandingFor(state, { while: during }));
}

test("a job stands for its key in the states that were asked for", () => {
  expect(statesStandingFor("waiting")).toEqual(["scheduled", "ready"]);
  expect(statesStandingFor("running")).toEqual(["running", "waiting"]);
  expect(statesStandingFor("unfinished")).toEqual(["scheduled", "ready", "running", "waiting"]);
});

test("a debounced job waits from the newest input on, and never longer than its longest wait", () => {
  const debounce = { waitMs: 100, longestMs: 250 };
  expect(debouncedDueAtMs(debounce, 1_000, 1_050)).toBe(1_150);
  expect(debouncedDueAtMs(debounce, 1_000, 1_200)).toBe(1_250);
  expect(debouncedDueAtMs(debounce, 1_000, 1_300)).toBe(1_300);
});
