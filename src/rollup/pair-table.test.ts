import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PairTable, TABLE_FULL } from "./pair-table.ts";

describe("PairTable", () => {
  it("numbers pairs in order of first sight, like a map of their texts, through every growth", () => {
    const pair = fc.tuple(fc.nat(300), fc.nat(300));
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 3_000, size: "max" }), (pairs) => {
        const table = new PairTable({ maxPairs: 100_000 });
        const model = new Map<string, number>();
        const indexes = pairs.map(([first, second]) => table.index(first, second));
        const keys = pairs.map(([first, second]) => `${first} ${second}`);
        for (const key of keys) if (!model.has(key)) model.set(key, model.size);
        expect(indexes).toEqual(keys.map((key) => model.get(key)));
        expect(indexes.map((index) => `${table.first(index)} ${table.second(index)}`)).toEqual(
          keys,
        );
      }),
      { numRuns: 20 },
    );
  });

  it("refuses new pairs past its bound and still finds the ones it has", () => {
    const table = new PairTable({ maxPairs: 2 });
    expect([table.index(1, 2), table.index(2, 1), table.index(3, 3)]).toEqual([0, 1, TABLE_FULL]);
    expect([table.index(2, 1), table.size]).toEqual([1, 2]);
  });
});
