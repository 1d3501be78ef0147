// When a share moves from one member to another.
import { describe, expect, test } from "vitest";
import { chooseSlowest, nextOverdueAtMs } from "./rebalance.ts";

const PACE_MS = 1_000;
const NOW_MS = 100_000;

/** A member that gave its last sample so long ago. */
const gave = (agoMs: number, owed = 1) => ({
  owed,
  askedAtMs: NOW_MS - agoMs,
  lastSampleAtMs: NOW_MS - agoMs,
});
const fresh = { owed: 0, askedAtMs: NOW_MS, lastSampleAtMs: undefined };

describe("a free member", () => {
  test("that is fresh takes from the one whose sample is farthest away", () => {
    const [soon, late, middle] = [gave(900), gave(100), gave(500)];
    expect(chooseSlowest(fresh, [soon, late, middle], PACE_MS, NOW_MS)).toBe(late);
  });

  test("takes nothing that comes as soon from where it is", () => {
    expect(chooseSlowest(fresh, [gave(960)], PACE_MS, NOW_MS)).toBeUndefined();
    expect(chooseSlowest(gave(300, 0), [gave(300), gave(700)], PACE_MS, NOW_MS)).toBeUndefined();
    expect(chooseSlowest(gave(340, 0), [gave(300)], PACE_MS, NOW_MS)).toBeUndefined();
    expect(chooseSlowest(fresh, [], PACE_MS, NOW_MS)).toBeUndefined();
  });

  test("takes from one that owes several", () => {
    const [one, several] = [gave(0, 1), gave(900, 4)];
    expect(chooseSlowest(gave(10, 0), [one, several], PACE_MS, NOW_MS)).toBe(several);
  });

  test("takes from one that is overdue, however late it is itself", () => {
    const silent = gave(1_500);
    expect(chooseSlowest(gave(0, 0), [silent], PACE_MS, NOW_MS)).toBe(silent);
    expect(chooseSlowest(gave(0, 0), [gave(1_499)], PACE_MS, NOW_MS)).toBeUndefined();
  });
});

test("the next look is when the first silent member becomes overdue", () => {
  expect(nextOverdueAtMs([gave(200), gave(700), gave(2_000)], PACE_MS, NOW_MS)).toBe(NOW_MS + 800);
  expect(nextOverdueAtMs([gave(2_000), gave(0, 0)], PACE_MS, NOW_MS)).toBeUndefined();
});
