import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Effect, EffectLog, parsePromises, readEffects, readPromises } from "./effect-log.ts";
import { TransitionCounter, judge } from "./oracle.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "millrace-oracle-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function effect(id: string, number: number, attempt = 1): Effect {
  return { kind: "effect", id, number, attempt, token: `t.${attempt}`, pid: 1, atMs: 0 };
}

test("a job that was acknowledged and never ran is lost", () => {
  const promises = parsePromises(["want 1", "kept 1 a", "want 2", "kept 2 b"]);
  expect(judge(promises, [effect("a", 1)]).lost).toEqual(["b"]);
});

test("a job that was asked for may run without its acknowledgement having arrived", () => {
  const verdict = judge(parsePromises(["want 1"]), [effect("a", 1)]);
  expect(verdict).toMatchObject({ acknowledged: 0, executed: 1, lost: [], unexpected: [] });
});

test("a job that nobody asked for is unexpected", () => {
  expect(judge(parsePromises([]), [effect("a", 1)]).unexpected).toEqual(["a"]);
});

test("effects beyond a job's first one are duplicates", () => {
  const promises = parsePromises(["want 1", "kept 1 a"]);
  const verdict = judge(promises, [effect("a", 1), effect("a", 1, 2), effect("a", 1, 3)]);
  expect(verdict.duplicates).toBe(2);
});

test("one number that became two jobs is told", () => {
  const promises = parsePromises(["want 1", "kept 1 b"]);
  expect(judge(promises, [effect("a", 1), effect("b", 1)]).doubled).toEqual([1]);
});

test("the start of a handler is no effect", () => {
  const promises = parsePromises(["want 1", "kept 1 a"]);
  expect(judge(promises, [{ ...effect("a", 1), kind: "start" }]).lost).toEqual(["a"]);
});

test("a job that ended twice is told", () => {
  const counter = new TransitionCounter();
  for (const kind of ["enqueued", "started", "succeeded", "removed"])
    counter.see({ kind, id: "a" });
  for (const kind of ["succeeded", "failed"]) counter.see({ kind, id: "b" });
  expect(counter.repeated).toEqual(["b"]);
  expect(counter.count).toBe(2);
});

test("the log gives back what was written, and no line that was torn", () => {
  {
    using log = new EffectLog(directory);
    log.intend(7);
    log.acknowledge({ number: 7, id: "a" });
    log.complete({ number: 7, id: "a" });
    log.effect({ kind: "effect", id: "a", number: 7, attempt: 2, token: "n.1" });
  }
  writeFileSync(join(directory, "promises.log"), "kept 8", { flag: "a" });
  expect(readPromises(directory)).toEqual({
    intended: new Set([7]),
    acknowledged: [{ number: 7, id: "a" }],
    completed: [{ number: 7, id: "a" }],
  });
  expect(readEffects(directory)).toEqual([
    { ...effect("a", 7, 2), token: "n.1", pid: process.pid, atMs: expect.any(Number) },
  ]);
});
