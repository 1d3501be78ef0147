import { describe, expect, it } from "vitest";
import { HeldEvents, type UnattributedReason } from "./held-events.ts";

function room(maxEvents = 10, maxWaitMs = 100) {
  const unattributed: Record<UnattributedReason, number> = { expired: 0, refused: 0, stopped: 0 };
  const held = new HeldEvents<{ id: number; filled: string[] }>({
    maxEvents,
    maxWaitMs,
    onUnattributed: (count, reason) => {
      unattributed[reason] += count;
    },
  });
  return { held, unattributed };
}

describe("HeldEvents", () => {
  it("gives an event back once everything it waits for is known", () => {
    const { held } = room();
    const event = { id: 1, filled: [] as string[] };
    held.hold(event, ["a", "b"], 0);
    expect(held.release("a", 1, (waiting) => waiting.filled.push("a"))).toEqual([]);
    expect(held.release("b", 2, (waiting) => waiting.filled.push("b"))).toEqual([event]);
    expect([event.filled, held.size]).toEqual([["a", "b"], 0]);
  });

  it("gives up what waited too long, and no longer releases it", () => {
    const { held, unattributed } = room();
    held.hold({ id: 1, filled: [] }, ["a"], 0);
    held.hold({ id: 2, filled: [] }, ["a"], 50);
    expect(held.release("a", 100, () => {}).map((event) => event.id)).toEqual([2]);
    expect(unattributed).toEqual({ expired: 1, refused: 0, stopped: 0 });
  });

  it("refuses newcomers while it is full, and gives everything up at the end", () => {
    const { held, unattributed } = room(2);
    for (const id of [1, 2, 3]) held.hold({ id, filled: [] }, ["a"], 0);
    expect([held.size, unattributed.refused]).toEqual([2, 1]);
    held.clear();
    expect(unattributed).toEqual({ expired: 0, refused: 1, stopped: 2 });
    expect(held.release("a", 1, () => {})).toEqual([]);
  });
});
