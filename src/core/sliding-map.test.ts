// A map for entries that come and go: it answers as a Map does, however often it was renewed.
import { array, assert, boolean, integer, property, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { SlidingMap } from "./sliding-map.ts";

describe("a sliding map", () => {
  it("holds what a Map would", () => {
    const commands = array(tuple(integer({ min: 0, max: 60 }), boolean()), { maxLength: 400 });
    assert(
      property(commands, (given) => {
        const map = new Map<number, number>();
        const sliding = new SlidingMap<number, number>();
        for (const [index, [key, isSet]] of given.entries()) {
          if (isSet) map.set(key, index);
          if (isSet) sliding.set(key, index);
          const answers = [sliding, map].map((each) => (isSet ? each.get(key) : each.delete(key)));
          expect(answers[0]).toBe(answers[1]);
        }
        expect([...sliding]).toEqual([...map]);
        expect(sliding.size).toBe(map.size);
      }),
    );
  });

  it("is walked to its end by one who takes out what it walks over", () => {
    const sliding = new SlidingMap<number, string>();
    for (let key = 0; key < 1_000; key += 1) sliding.set(key, "");
    const walked: number[] = [];
    for (const key of sliding.keys()) {
      walked.push(key);
      sliding.delete(key);
    }
    expect(walked).toHaveLength(1_000);
    expect(sliding.size).toBe(0);
  });
});
