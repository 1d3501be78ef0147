// Job ids: UUIDv7 that ascend, never repeat, and carry their queue's hash.
import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIdMaker, createStepIds, idTimeMs, isJobId, queueHash } from "./ids.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function makerAt(now: () => number): (queue: string) => string {
  return createIdMaker({ now, randomBytes });
}

describe("ids", () => {
  test("are UUIDs of version 7 and variant 2, whatever the random bytes", () => {
    for (const byte of [0x00, 0x7f, 0xff]) {
      const make = createIdMaker({
        now: () => NOW_MS,
        randomBytes: (length) => new Uint8Array(length).fill(byte),
      });
      expect(make("mail")).toMatch(UUID_V7);
    }
  });

  test("tell when they were made, also by a clock with fractions", () => {
    expect(idTimeMs(makerAt(() => NOW_MS)("q"))).toBe(NOW_MS);
    const id = makerAt(() => NOW_MS + 0.75)("q");
    expect(id).toMatch(UUID_V7);
    expect(idTimeMs(id)).toBe(NOW_MS);
  });

  test("ascend and never repeat, whatever the clock does", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5_000, max: 5_000 }), { maxLength: 50 }), (steps) => {
        let nowMs = NOW_MS;
        const make = makerAt(() => nowMs);
        const ids: string[] = [make("q")];
        for (const step of steps) {
          nowMs += step;
          ids.push(make("q"), make("other"));
        }
        expect(ids.every((id) => UUID_V7.test(id))).toBe(true);
        expect(ids).toEqual([...new Set(ids)].sort());
      }),
    );
  });

  test("go on ascending past the 4,096 of one millisecond", () => {
    const make = makerAt(() => NOW_MS);
    const ids = Array.from({ length: 20_000 }, () => make("q"));
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(20_000);
    expect(idTimeMs(ids.at(-1) ?? "")).toBe(NOW_MS + 4);
  });

  test("of two makers at one moment differ", () => {
    const [left, right] = [makerAt(() => NOW_MS), makerAt(() => NOW_MS)];
    const ids = Array.from({ length: 5_000 }, () => [left("q"), right("q")]).flat();
    expect(new Set(ids).size).toBe(10_000);
  });

  test("end in the hash of their queue", () => {
    fc.assert(
      fc.property(fc.string(), (queue) => {
        const id = makerAt(() => NOW_MS)(queue);
        expect(Number.parseInt(id.slice(-4), 16)).toBe(queueHash(queue));
      }),
    );
  });

  test("keep their queue's hash when more queues come than are remembered", () => {
    const make = makerAt(() => NOW_MS);
    for (let index = 0; index < 10_050; index += 1) make(`queue-${index}`);
    expect(Number.parseInt(make("queue-7").slice(-4), 16)).toBe(queueHash("queue-7"));
  });
});

describe("queueHash", () => {
  test("is fixed for ever: ids that are kept depend on it", () => {
    expect(["", "default", "send-receipt"].map(queueHash)).toEqual([7_385, 51_429, 21_992]);
  });

  test("spreads queues evenly over its 65,536 values", () => {
    const slots = new Uint32Array(16);
    for (let index = 0; index < 16_000; index += 1) {
      const slot = queueHash(`queue-${index}`) >>> 12;
      slots[slot] = (slots[slot] ?? 0) + 1;
    }
    expect(Math.min(...slots)).toBeGreaterThan(700);
    expect(Math.max(...slots)).toBeLessThan(1_300);
  });
});

describe("isJobId", () => {
  test("knows an id by its form", () => {
    expect(isJobId(makerAt(() => NOW_MS)("q"))).toBe(true);
    for (const text of [
      "",
      "1",
      "0197-",
      `${makerAt(() => NOW_MS)("q")} `,
      makerAt(() => NOW_MS)("q").toUpperCase(),
      "' OR 1=1 --",
      "__proto__",
    ]) {
      expect(isJobId(text)).toBe(false);
    }
  });

  test("of a run's steps are made of its own, and go up with their numbers", () => {
    const run = makerAt(() => NOW_MS)("runs");
    const of = createStepIds(run, 0);
    const ids = Array.from({ length: 10_000 }, (_, step) => of(step + 1, "type", "steps"));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(UUID_V7);
    expect(ids[0]?.slice(-4)).toBe(queueHash("steps").toString(16).padStart(4, "0"));
    expect(createStepIds(run, 0)(7, "type", "steps")).toBe(ids[6]);
  });

  test("of a run's steps are others in another life, of another type, and of another run", () => {
    const make = makerAt(() => NOW_MS);
    const [run, other] = [make("runs"), make("runs")];
    const ids = [
      createStepIds(run, 0)(1, "type", "runs"),
      createStepIds(run, 1)(1, "type", "runs"),
      createStepIds(run, 0)(1, "other", "runs"),
      createStepIds(other, 0)(1, "type", "runs"),
      other,
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});
