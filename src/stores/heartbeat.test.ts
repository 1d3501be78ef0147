import { describe, expect, it } from "vitest";
import { createHeartbeat, watchHeartbeat } from "./heartbeat.ts";

/** Looks at moments a millisecond apart, and says whether any found the loop silent. */
function isFoundSilent(
  isSilent: (nowMs: number) => boolean,
  fromMs: number,
  looks: number,
): boolean {
  return Array.from({ length: looks }, (_, index) => isSilent(fromMs + index)).includes(true);
}

describe("the heartbeat", () => {
  it("is never late without a deadline", () => {
    const heartbeat = createHeartbeat();
    const isSilent = watchHeartbeat(heartbeat.buffer, 10);
    expect(isFoundSilent(isSilent, 1e12, 100)).toBe(false);
    heartbeat.beat(10, 0);
    heartbeat.beat(null, 0);
    expect(isFoundSilent(isSilent, 1e12, 100)).toBe(false);
  });

  it("is late once many looks in a row found it past its deadline", () => {
    const heartbeat = createHeartbeat();
    const isSilent = watchHeartbeat(heartbeat.buffer, 10);
    heartbeat.beat(50, 1_000);
    expect(isFoundSilent(isSilent, 1_050, 100)).toBe(false);
    expect(isFoundSilent(isSilent, 5_000, 9)).toBe(false);
    expect(isSilent(5_009)).toBe(true);
  });

  it("is not late while the loop was heard a moment ago, whatever its deadline", () => {
    const heartbeat = createHeartbeat();
    const isSilent = watchHeartbeat(heartbeat.buffer, 10);
    heartbeat.beat(50, 1_000);
    expect(isFoundSilent(isSilent, 1_500, 500)).toBe(false);
    expect(isFoundSilent(isSilent, 2_300, 10)).toBe(true);
  });

  it("begins anew when the loop speaks", () => {
    const heartbeat = createHeartbeat();
    const isSilent = watchHeartbeat(heartbeat.buffer, 10);
    heartbeat.beat(10, 0);
    expect(isFoundSilent(isSilent, 5_000, 9)).toBe(false);
    heartbeat.beat(10, 5_010);
    expect(isSilent(5_011)).toBe(false);
    expect(isFoundSilent(isSilent, 9_000, 9)).toBe(false);
  });
});
