// Collections from real processes that stream, crash, stall and talk nonsense: exactly so many samples.
import { describe, expect, test } from "vitest";
import { collect, startCollection } from "millrace/fleet";
import type { CollectOptions, CollectResult } from "millrace/fleet";
import { processesWith, uniqueTag, worker } from "./programs.ts";

/** A second of the real worker in 20 ms. */
const PACE_MS = 20;
/** A silence that is a stall, and no mere wait for a processor: on a busy machine those come near a second. */
const STALL_TIMEOUT = "1500ms";

function options(...faults: string[]): CollectOptions<number> {
  return {
    command: worker("-pace", String(PACE_MS), ...faults),
    url: "http://localhost:{port}/rnd?n={n}",
    samples: 60,
    workers: 4,
    stallTimeout: STALL_TIMEOUT,
    backoff: { initial: 1, max: 20 },
  };
}

function expectExactly(result: CollectResult<number>, samples: number): void {
  expect(result).toMatchObject({ outcome: "complete", problem: undefined, count: samples });
  expect(result.values).toHaveLength(samples);
  expect(result.values.every((value) => Number.isInteger(value))).toBe(true);
  expect(result.members.reduce((sum, member) => sum + member.samples, 0)).toBe(samples);
}

describe("a collection", () => {
  test("is exact, fair and near its ideal, and leaves no process", async () => {
    const tag = uniqueTag();
    const result = await collect(options("-seed", tag));
    expectExactly(result, 60);
    expect(result).toMatchObject({ crashes: 0, restarts: 0, stalls: 0 });
    expect(result.timeToFirstSampleMs).toBeGreaterThan(0);
    expect(result.idealMs).toBeLessThanOrEqual(result.elapsedMs);
    expect(result.overIdeal).toBeCloseTo(result.elapsedMs / (result.idealMs ?? 0) - 1, 6);
    expect(Math.min(...result.members.map((member) => member.samples))).toBeGreaterThan(5);
    expect(processesWith(tag)).toEqual([]);
  });

  test("takes no more members than samples, and one is enough", async () => {
    const result = await collect({ ...options(), samples: 2, workers: 16 });
    expectExactly(result, 2);
    expect(result.members).toHaveLength(2);
    expectExactly(await collect({ ...options(), samples: 1, workers: 1 }), 1);
  });

  test("asks no member for more than is missing", async () => {
    const result = await collect({ ...options("-pace", "0"), samples: 500, workers: 3 });
    expectExactly(result, 500);
    // Each worker prints nothing of it, but its numbers repeat by seed: none was asked for twice.
    expect(result.garbageLines).toBe(0);
  });

  test("is exact although every member crashes again and again", async () => {
    const result = await collect(options("-crashAfter", "5"));
    expectExactly(result, 60);
    expect(result.crashes).toBeGreaterThanOrEqual(8);
    expect(result.restarts).toBeGreaterThanOrEqual(8);
  });

  test("is exact with members of random life", async () => {
    // Longer than a start takes on a busy machine: else no life would be long enough for a sample.
    const result = await collect({ ...options("-crashMean", "600"), restartLimit: 100 });
    expect(result.outcome).toBe("complete");
    expectExactly(result, 60);
  });

  test("L4: a stream that goes silent is noticed, and others give its share", async () => {
    // So many that the others are still at work when the silence has lasted long enough to be a stall.
    const samples = 400;
    const result = await collect({ ...options("-only", "1", "-stallAfter", "2"), samples });
    expectExactly(result, samples);
    const [silent, ...others] = result.members;
    expect(silent?.stalls).toBeGreaterThanOrEqual(1);
    expect(others.map((member) => member.stalls)).toEqual([0, 0, 0]);
    expect(Math.min(...others.map((member) => member.samples))).toBeGreaterThan(
      silent?.samples ?? samples,
    );
  });

  test("L5: lines split at every byte and garbage between them change nothing", async () => {
    const result = await collect(options("-split", "-garbage", "0.5"));
    expectExactly(result, 60);
    expect(result.garbageLines).toBeGreaterThan(0);
  });

  test("L5: a line without end is a stall, and costs no memory", async () => {
    const before = process.memoryUsage().arrayBuffers;
    let highest = 0;
    const collection = startCollection(options("-only", "1", "-endlessAfter", "3"));
    const watch = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
    }, 5);
    const result = await collection.result.finally(() => clearInterval(watch));
    expectExactly(result, 60);
    expect(result.members[0]?.stalls).toBeGreaterThanOrEqual(1);
    expect(result.tooLongLines).toBeGreaterThanOrEqual(1);
    // What 16 MiB leave to be collected, and a start of the member may send so much again.
    expect(highest).toBeLessThan(128 * 1_024 * 1_024);
  });

  test("a slow start holds nobody up", async () => {
    const result = await collect(options("-only", "1,2", "-slowStart", "400"));
    expectExactly(result, 60);
    const [, , third, fourth] = result.members.map((member) => member.samples);
    expect((third ?? 0) + (fourth ?? 0)).toBeGreaterThan(30);
  });
});

describe("how a collection ends", () => {
  test("late, when it took longer than was wanted: complete all the same", async () => {
    const result = await collect({ ...options(), within: "50ms" });
    expect(result).toMatchObject({ outcome: "late", count: 60, withinMs: 50 });
    expect(result.values).toHaveLength(60);
  });

  test("incomplete, when every member was given up, with their last words", async () => {
    const result = await collect({
      ...options(),
      command: [process.execPath, "-e", "console.error('no licence');process.exit(3)"],
      restartLimit: 1,
    });
    expect(result).toMatchObject({ outcome: "incomplete", count: 0 });
    expect(result.problem).toContain("no licence");
  });

  test("incomplete, when members answer with something else than samples", async () => {
    const server =
      "require('http').createServer((q,r)=>{r.statusCode=404;r.end('no')}).listen({port})";
    const result = await collect({
      ...options(),
      command: [process.execPath, "-e", server],
      workers: 1,
      restartLimit: 0,
      stallTimeout: "50ms",
    });
    expect(result).toMatchObject({ outcome: "incomplete", count: 0 });
  });

  test("incomplete, when it is cancelled or gives up: what came is kept", async () => {
    const abort = new AbortController();
    const collection = startCollection({ ...options(), samples: 10_000, signal: abort.signal });
    while (collection.snapshot().count < 3) await new Promise(setImmediate);
    abort.abort();
    const cancelled = await collection.result;
    expect(cancelled).toMatchObject({ outcome: "incomplete", problem: "it was cancelled" });
    expect(cancelled.values.length).toBeGreaterThanOrEqual(3);
    const givenUp = await collect({ ...options(), samples: 10_000, giveUpAfter: "300ms" });
    expect(givenUp).toMatchObject({ outcome: "incomplete", problem: "300ms were over" });
  });
});

test("a sample is what the caller's parser says", async () => {
  const result = await collect({
    ...options(),
    samples: 10,
    parse: (line: string) => (line.endsWith("7") ? undefined : { line }),
  });
  expect(result.values).toHaveLength(10);
  expect(result.values[0]?.line).toMatch(/^rnd=/);
});

test.each([
  [{ samples: 0 }, "samples is 0"],
  [{ workers: 1_001 }, "workers is 1001"],
  [{ url: "https://localhost:{port}/" }, "can't be asked for samples"],
  [{ url: "http://localhost:{prot}/" }, "unknown placeholder {prot}"],
  [{ command: "worker {n}" }, "unknown placeholder {n}"],
  [{ within: "soon" }, "within"],
])("refuses %j before anything is started", async (wrong, problem) => {
  await expect(collect({ ...options(), ...wrong })).rejects.toThrow(problem);
});
