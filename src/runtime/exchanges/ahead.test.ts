// How many jobs are claimed ahead, and how long they are held.
import { describe, expect, test } from "vitest";
import type { ClaimedJob } from "../../core/store.ts";
import { AheadJobs, LONGEST_HOLD_MS } from "./ahead.ts";

function jobs(count: number, type = "work"): readonly ClaimedJob[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${type}-${index}`,
    type,
    queue: type,
    input: "null",
    token: `${type}.${index}`,
    attempt: 1,
    crashes: 0,
    enqueuedAtMs: 0,
    dueAtMs: 0,
    startedAtMs: 0,
    tags: [],
  }));
}

/** Jobs of a worker that ends so many a millisecond. */
function paced(perMs: number): AheadJobs {
  const ahead = new AheadJobs();
  for (let atMs = 1; atMs <= 20; atMs += 1) ahead.noteEnded(perMs, atMs);
  return ahead;
}

describe("claiming ahead", () => {
  test("asks for nothing before it is known how fast jobs end", () => {
    expect(new AheadJobs().wanted(100, 0, 1)).toBe(0);
  });

  test("asks for as many as there are slots where jobs end fast", () => {
    expect(paced(50).wanted(100, 0, 21)).toBe(100);
  });

  test("asks for no more than begin within milliseconds", () => {
    expect(paced(3).wanted(100, 0, 21)).toBe(59);
  });

  test("asks for none where a call would fetch few", () => {
    expect(paced(2).wanted(100, 0, 21)).toBe(0);
    expect(paced(50).wanted(15, 0, 21)).toBe(0);
  });

  test("asks for none where jobs take long", () => {
    expect(paced(0.1).wanted(100, 0, 21)).toBe(0);
  });

  test("counts what is held already, and not what begins now", () => {
    const ahead = paced(50);
    ahead.hold(jobs(60), 20);
    expect([ahead.wanted(200, 0, 21), ahead.wanted(200, 60, 21)]).toEqual([140, 200]);
  });
});

describe("claiming further ahead", () => {
  test("asks for as many as there are slots at a time, until so many times the slots are held", () => {
    const ahead = paced(50);
    expect(ahead.wanted(100, 0, 21, 2)).toBe(100);
    ahead.hold(jobs(100), 21);
    expect([ahead.wanted(100, 0, 21), ahead.wanted(100, 0, 21, 2)]).toEqual([0, 100]);
    ahead.hold(jobs(100), 21);
    expect(ahead.wanted(100, 0, 21, 2)).toBe(0);
  });

  test("asks for no more than begin within milliseconds", () => {
    const ahead = paced(7);
    ahead.hold(jobs(100), 21);
    expect(ahead.wanted(100, 0, 21, 2)).toBe(0);
  });
});

describe("jobs that are held", () => {
  test("begin in the order in which they were claimed", () => {
    const ahead = new AheadJobs();
    const claimed = jobs(7);
    ahead.hold(claimed.slice(0, 3), 0);
    ahead.hold(claimed.slice(3), 1);
    expect([...ahead.take(2), ...ahead.take(3), ...ahead.take(9)]).toEqual(claimed);
    expect(ahead.size).toBe(0);
  });

  test("are overdue after the bound, and then nothing is claimed ahead for a while", () => {
    const ahead = paced(50);
    const [first, second] = [jobs(2, "first"), jobs(3, "second")];
    ahead.hold(first, 20);
    ahead.hold(second, 30);
    expect(ahead.overdueInMs(21)).toBe(LONGEST_HOLD_MS - 1);
    expect(ahead.takeOverdue(20 + LONGEST_HOLD_MS)).toEqual(first);
    expect(ahead.size).toBe(3);
    expect(ahead.wanted(100, 0, 21 + LONGEST_HOLD_MS)).toBe(0);
    expect(ahead.wanted(100, 0, 20_000)).toBe(97);
  });

  test("are taken by type or by id", () => {
    const ahead = new AheadJobs();
    ahead.hold([...jobs(2, "mail"), ...jobs(2, "print")], 0);
    expect(ahead.takeJob("print-1")?.id).toBe("print-1");
    expect(ahead.takeJob("print-1")).toBeUndefined();
    expect(ahead.takeOf("mail")).toHaveLength(2);
    expect(ahead.takeOf()).toHaveLength(1);
    expect(ahead.overdueInMs(0)).toBeUndefined();
  });
});
