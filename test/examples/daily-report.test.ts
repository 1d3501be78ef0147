// The daily report: one for each day, also after downtime, and as a program.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openTestMillrace } from "millrace/testing";
import { expect, test } from "vitest";
import { defineDailyReport } from "../../examples/daily-report.ts";
import { scratch, start } from "../cli/command-line.ts";

const DAY_MS = 86_400_000;

test("every morning brings the report of the day before, and downtime one for each day missed", async () => {
  await using directory = await scratch();
  const dailyReport = defineDailyReport(directory.path);
  await using mill = await openTestMillrace({ jobs: [dailyReport] });
  const [first] = await mill.schedules.preview("daily-report", { count: 1 });
  const firstAtMs = Date.parse(first?.dueAt ?? "");
  const dayOf = (count: number): string =>
    new Date(firstAtMs + (count - 1) * DAY_MS).toISOString().slice(0, 10);
  await writeFile(
    join(directory.path, `orders-${dayOf(0)}.jsonl`),
    '{"product":"tea","euros":4}\n{"product":"tea","euros":5}\n{"product":"cup","euros":9}\n',
  );
  await mill.advance(firstAtMs - mill.clock.now() + 1_000);
  const text = await readFile(join(directory.path, `report-${dayOf(0)}.json`), "utf8");
  expect(JSON.parse(text)).toEqual({ day: dayOf(0), orders: 3, totals: { tea: 9, cup: 9 } });

  await mill.advance(3 * DAY_MS + 2 * 3_600_000);
  const reports = (await readdir(directory.path)).filter((name) => name.startsWith("report-"));
  expect(reports.sort()).toEqual([0, 1, 2, 3].map((count) => `report-${dayOf(count)}.json`));
  mill.assertEnqueued(dailyReport, { tags: ["schedule:daily-report"], count: 4 });
});

test("it runs as a program", async () => {
  await using directory = await scratch();
  const path = fileURLToPath(new URL("../../examples/daily-report.ts", import.meta.url));
  const env = { ORDERS_DIRECTORY: join(directory.path, "orders") };
  const program = start(process.execPath, ["--conditions=millrace-source", path], { env });
  expect(await program.end()).toBe(0);
  expect(program.output()).toContain("At 06:00 (Europe/Berlin)");
  expect(program.output()).toContain("totals: { tea: 4.5 }");
});
