// Reading what the system says of processes.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { measureGroups, parseProcStat, parsePsLine } from "./resource-use.ts";

test("reads group and time from a stat line, whatever the command is called", () => {
  const stat = "42 (a) b (c)) S 1 41 41 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 100 1 1";
  expect(parseProcStat(stat)).toEqual({ pgid: 41, isZombie: false, cpuMs: 2_000 });
});

test.each([
  ["  41 S  1024 00:01:02", 62_000],
  ["41 Ss+ 1024   1:02.50", 62_500],
  ["41 R 1024 2-01:00:00", 176_400_000],
])("reads ps's line %j", (line, cpuMs) => {
  expect(parsePsLine(line)).toEqual({ pgid: 41, isZombie: false, cpuMs, memoryBytes: 1_048_576 });
});

test("measures this very process and leaves out a group that is not there", async () => {
  const groups = await measureGroups(new Set([ownGroup(), 2 ** 30]));
  expect(groups.size).toBe(1);
  const [own] = groups.values();
  expect(own?.processes).toBeGreaterThan(0);
  expect(own?.memoryBytes).toBeGreaterThan(10_000_000);
});

function ownGroup(): number {
  return Number(execFileSync("ps", ["-o", "pgid=", "-p", String(process.pid)]).toString());
}
