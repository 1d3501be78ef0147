// How long an exchange waits for its rooms.
import { beforeEach, afterEach, expect, test, vi } from "vitest";
import { ROOM_PATIENCE_MS, outcomesOf } from "./patience.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new Promise<string>(() => {});
const heard = (answer: Promise<string>) => ({ answer, isSilent: false });

test("waits for all while none is late", async () => {
  const slow = Promise.withResolvers<string>();
  const outcomes = outcomesOf([heard(Promise.resolve("a")), heard(slow.promise)]);
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS - 1);
  slow.resolve("b");
  expect(await outcomes).toMatchObject([{ value: "a" }, { value: "b" }]);
});

test("goes on without what is silent beyond the patience, once something was answered", async () => {
  const outcomes = outcomesOf([heard(never), heard(Promise.resolve("b"))]);
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS);
  expect(await outcomes).toMatchObject([null, { value: "b" }]);
});

test("waits for the first answer where none came in the patience", async () => {
  const slow = Promise.withResolvers<string>();
  const outcomes = outcomesOf([heard(never), heard(slow.promise)]);
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS * 10);
  slow.resolve("b");
  expect(await outcomes).toMatchObject([null, { value: "b" }]);
});

test("waits for one that is asked alone, and tells a failure", async () => {
  const slow = Promise.withResolvers<string>();
  const outcomes = outcomesOf([heard(slow.promise)]);
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS * 10);
  slow.reject(new Error("away"));
  expect(await outcomes).toMatchObject([{ status: "rejected" }]);
});

test("never waits for what is known to be silent", async () => {
  const known = { answer: never, isSilent: true };
  expect(await outcomesOf([known])).toEqual([null]);
  expect(await outcomesOf([known, heard(Promise.resolve("b"))])).toMatchObject([
    null,
    { value: "b" },
  ]);
  expect(vi.getTimerCount()).toBe(0);
});

test("waits beyond the patience for none, not even one that is asked alone, where something was answered before", async () => {
  const outcomes = outcomesOf([heard(never)], ROOM_PATIENCE_MS, true);
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS);
  expect(await outcomes).toEqual([null]);
});

test("waits for a first answer no longer than it is told to, and then for what came", async () => {
  const outcomes = outcomesOf([heard(never)], ROOM_PATIENCE_MS, false, ROOM_PATIENCE_MS * 4);
  let isOver = false;
  void outcomes.then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(ROOM_PATIENCE_MS * 4 - 1);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await outcomes).toEqual([null]);
  expect(vi.getTimerCount()).toBe(0);
});
