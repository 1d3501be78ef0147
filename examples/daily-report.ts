// A daily report on a schedule: every morning the orders of the day before are summed up into a file.
import { appendFile, mkdir, mkdtemp, readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, defineJob, openMillrace, tickOf } from "millrace";
import { z } from "zod";

const order = z.object({ product: z.string(), euros: z.number() });

/** The job type for a directory where orders come in, `orders-2026-03-01.jsonl` a day, and where the reports go. */
export function defineDailyReport(directory: string) {
  return defineJob({
    name: "daily-report",
    input: z.object({ directory: z.string() }),
    retry: { attempts: 3 },
    schedule: {
      cron: "0 6 * * *",
      timeZone: "Europe/Berlin",
      input: { directory },
      // After a weekend of downtime each day gets its report, and no more than a week's.
      missed: { all: 7 },
    },
    async run({ input, job, log }) {
      // The day comes from the tick and not from the clock, so that a late report is still that of its day.
      const day = dayBefore(tickOf(job)?.dueAt ?? new Date());
      const report = { day, ...sumUp(await readOrders(input.directory, day)) };
      // Written beside and renamed: whoever reads it never sees half of one, and a repeated run writes the same.
      const path = join(input.directory, `report-${day}.json`);
      await writeFile(`${path}.new`, JSON.stringify(report));
      await rename(`${path}.new`, path);
      log.info(`${report.orders} orders of ${day}`);
      return report;
    },
  });
}

type Order = z.infer<typeof order>;

function sumUp(orders: readonly Order[]): { orders: number; totals: Record<string, number> } {
  const totals: Record<string, number> = {};
  for (const { product, euros } of orders) totals[product] = (totals[product] ?? 0) + euros;
  return { orders: orders.length, totals };
}

async function readOrders(directory: string, day: string): Promise<readonly Order[]> {
  let text: string;
  try {
    text = await readFile(join(directory, `orders-${day}.jsonl`), "utf8");
  } catch (error) {
    // A day without orders has no file.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => order.parse(JSON.parse(line)));
}

function dayBefore(moment: Date): string {
  return new Date(moment.getTime() - 86_400_000).toISOString().slice(0, 10);
}

/** Shows when the next reports come, and makes one right away. */
export async function runDailyReport(store: string, directory: string): Promise<void> {
  const jobs = [defineDailyReport(directory)];
  await using mill = await openMillrace({ store, jobs, logger: createLogger() });
  // A worker that starts keeps the schedules of its job types, and fires them.
  await mill.start();
  const schedule = await mill.schedules.get("daily-report");
  const ticks = await mill.schedules.preview("daily-report", { count: 3 });
  console.log(`${schedule?.description}: ${ticks.map(({ local }) => local).join(", ")}`);
  const receipt = await mill.schedules.run("daily-report");
  console.log(await receipt.result({ timeout: "30s" }));
}

if (import.meta.main) {
  const directory = process.env["ORDERS_DIRECTORY"] ?? (await mkdtemp(join(tmpdir(), "orders-")));
  await mkdir(directory, { recursive: true });
  const line = JSON.stringify({ product: "tea", euros: 4.5 });
  await appendFile(join(directory, `orders-${dayBefore(new Date())}.jsonl`), `${line}\n`);
  await runDailyReport("memory:", directory);
  console.log(`the report is in ${directory}`);
}
