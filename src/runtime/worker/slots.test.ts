// The slots of a worker: which children of runs are given one before they are claimed.
import { describe, expect, test } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import { Slots } from "./slots.ts";

const step = defineJob({ name: "step", run: () => null });
const other = defineJob({ name: "other", run: () => null });
const child = { id: "child", type: "step", queue: "step", input: "null" };

function openSlots(): Slots {
  const slots = new Slots({ concurrency: 2, labels: [] });
  slots.serve(step);
  slots.serve(other);
  return slots;
}

describe("a child of a run", () => {
  test("gets a slot as long as there is one", () => {
    const slots = openSlots();
    expect([slots.reserve(child), slots.reserve(child), slots.reserve(child)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test("gets none while jobs of its type are held that were claimed before it", () => {
    const slots = openSlots();
    slots.hold([{ type: "step" }]);
    expect(slots.reserve(child)).toBe(false);
    expect(slots.reserve({ ...child, type: "other", queue: "other" })).toBe(true);
    slots.unhold([{ type: "step" }]);
    expect(slots.reserve(child)).toBe(true);
  });

  test("gets none while more of its type may wait behind those that were claimed ahead", () => {
    const slots = openSlots();
    slots.noteMore([{ type: "step" }, { type: "step" }]);
    expect(slots.reserve(child)).toBe(false);
    expect(slots.reserve({ ...child, type: "other", queue: "other" })).toBe(true);
    slots.noteMore([]);
    expect(slots.reserve(child)).toBe(true);
  });
});

test("what of a type runs counts when it is served again, and no longer when it has ended", () => {
  const slots = openSlots();
  const only = defineJob({ name: "step", concurrency: 1, run: () => null });
  slots.serve(only);
  expect(slots.reserve(child)).toBe(true);
  slots.withdraw("step");
  slots.serve(only);
  expect(slots.reserve(child)).toBe(false);
  slots.give("step");
  expect([slots.reserve(child), slots.reserve(child)]).toEqual([true, false]);
});

test("what of a type ends while it is not served leaves its slot when it is served again", () => {
  const slots = openSlots();
  const only = defineJob({ name: "step", concurrency: 1, run: () => null });
  slots.serve(only);
  slots.reserve(child);
  slots.hold([{ type: "step" }]);
  slots.clear();
  slots.give("step");
  slots.unhold([{ type: "step" }]);
  slots.serve(only);
  expect([slots.reserve(child), slots.reserve(child)]).toEqual([true, false]);
});
