import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualClock } from "./manual-clock.ts";
import { nextBoundaryMs, type WindowSpan, WindowTimer } from "./window-timer.ts";

function timed(clock: ManualClock, everyMs: number, aligned: boolean) {
  const spans: WindowSpan[] = [];
  const timer = new WindowTimer({
    rhythm: { everyMs, aligned },
    clock,
    onBoundary: (span) => spans.push(span),
  });
  return { spans, timer };
}

describe("windows", () => {
  it("follow each other without a gap", async () => {
    const clock = new ManualClock({ wallMs: 5_000 });
    const { spans, timer } = timed(clock, 1_000, false);
    timer.start();
    await clock.advance(3_500);
    expect(spans).toEqual([
      { startedAtMs: 5_000, endedAtMs: 6_000, durationMs: 1_000 },
      { startedAtMs: 6_000, endedAtMs: 7_000, durationMs: 1_000 },
      { startedAtMs: 7_000, endedAtMs: 8_000, durationMs: 1_000 },
    ]);
    expect(timer.stop()).toEqual({ startedAtMs: 8_000, endedAtMs: 8_500, durationMs: 500 });
    expect([timer.stop(), clock.timers]).toEqual([undefined, 0]);
  });

  it("end on multiples of the wall clock when aligned, the first one short", async () => {
    const clock = new ManualClock({ wallMs: 60_000 * 7 + 45_000 });
    const { spans, timer } = timed(clock, 60_000, true);
    timer.start();
    await clock.advance(15_000 + 60_000);
    expect(spans.map((span) => span.durationMs)).toEqual([15_000, 60_000]);
    expect(spans.map((span) => span.endedAtMs % 60_000)).toEqual([0, 0]);
  });

  it("keep their cadence when a timer is late, and pass over what a sleeping machine missed", () => {
    const rhythm = { everyMs: 100, aligned: false };
    expect(nextBoundaryMs(rhythm, { previousMs: 500, nowMs: 530, wallMs: 0 })).toBe(600);
    expect(nextBoundaryMs(rhythm, { previousMs: 500, nowMs: 1_234, wallMs: 0 })).toBe(1_300);
    expect(nextBoundaryMs(rhythm, { previousMs: 500, nowMs: 499, wallMs: 0 })).toBe(600);
  });

  it("(U5) none closes twice, and each is half to one and a half long, however the wall clock steps", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: -200_000, max: 200_000 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        async (steps, aligned) => {
          const clock = new ManualClock({ wallMs: 1_000_000 });
          const { spans, timer } = timed(clock, 1_000, aligned);
          timer.start();
          for (const step of steps) {
            clock.stepWall(step);
            await clock.advance(700);
          }
          const last = timer.stop()!;
          const totalMs = spans.reduce((total, span) => total + span.durationMs, last.durationMs);
          expect(totalMs).toBe(steps.length * 700);
          for (const { durationMs } of spans.slice(1)) {
            expect(durationMs).toBeGreaterThanOrEqual(500);
            expect(durationMs).toBeLessThanOrEqual(1_500);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
