import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PairCounts } from "./pair-counts.ts";
import { encodeReport, reportRows } from "./report.ts";
import { UuidTable } from "./uuid-table.ts";

const OVERFLOW = "00000000-0000-0000-0000-000000000000";

function counted(pairs: readonly (readonly [string, string])[], maxPairs = 100_000) {
  const ids = new UuidTable({ maxIds: 100_000 });
  const counts = new PairCounts({ maxPairs });
  for (const [source, destination] of pairs) {
    counts.add(ids.intern(source), ids.intern(destination));
  }
  return { ids, counts };
}

describe("a report", () => {
  it("is the contract's list of source, destination and count, however many pieces it takes", () => {
    const pairs = fc.array(fc.tuple(fc.uuid(), fc.uuid()), { maxLength: 1_500, size: "max" });
    fc.assert(
      fc.property(pairs, (seen) => {
        const { ids, counts } = counted([...seen, ...seen]);
        const ended = counts.end();
        const text = Buffer.concat([...encodeReport(ended, ids)]).toString();
        const expected = new Map<string, number>();
        for (const pair of seen) expected.set(pair.join(), (expected.get(pair.join()) ?? 0) + 2);
        const rows = [...expected].map(([key, count]) => {
          const [source, destination] = key.split(",");
          return { source, destination, count };
        });
        expect(text).toBe(JSON.stringify(rows));
        expect([...reportRows(ended, ids)]).toEqual(rows);
      }),
      { numRuns: 20 },
    );
  });

  it("names what was past the bound only when told how, and keeps the sum", () => {
    const pairs = ["1", "2", "3"].map((digit) => {
      const uuid = `e7924178-0132-4730-9c79-89fed571567${digit}`;
      return [uuid, uuid] as const;
    });
    const { ids, counts } = counted(pairs, 1);
    const ended = counts.end();
    expect([ended.messages, ended.overflow]).toEqual([3, 2]);
    const silent = Buffer.concat([...encodeReport(ended, ids)]).toString();
    expect(JSON.parse(silent)).toHaveLength(1);
    const told = Buffer.concat([...encodeReport(ended, ids, OVERFLOW)]).toString();
    expect((JSON.parse(told) as unknown[])[1]).toEqual({
      source: OVERFLOW,
      destination: OVERFLOW,
      count: 2,
    });
  });

  it("is an empty list for an empty window", () => {
    const { ids, counts } = counted([]);
    expect(Buffer.concat([...encodeReport(counts.end(), ids, OVERFLOW)]).toString()).toBe("[]");
  });

  it("tells the most frequent pairs", () => {
    const { counts } = counted([]);
    for (let at = 1; at <= 50; at += 1) for (let n = 0; n < at; n += 1) counts.add(at, 0);
    expect(counts.top(3).map(({ source, count }) => [source, count])).toEqual([
      [50, 50],
      [49, 49],
      [48, 48],
    ]);
  });
});
