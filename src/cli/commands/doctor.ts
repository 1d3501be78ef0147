// `millrace doctor`: the store, versions, durability and what it can lose, workers, clock.
import type { Command } from "commander";
import type { Finding, StoreDescription, WorkerRecord } from "../../core/index.ts";
import { formatDuration } from "../../core/index.ts";
import { type ConnectionOptions, connect, withConnectionOptions } from "../connection.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import { clean, paint, print, printJson } from "../output.ts";
import { packageVersion } from "../../version/index.ts";

/** A difference that makes "2 minutes ago" wrong for whoever reads it. Delays go by the store's clock in any case. */
const MAX_CLOCK_DIFFERENCE_MS = 2_000;

/** Registers `doctor`. */
export function registerDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .description("check the store, its durability, the workers and the clock")
    .addHelpText("after", "\nExample:\n  $ millrace doctor --url http://127.0.0.1:8000");
  withConnectionOptions(command).action(async (options: ConnectionOptions) => {
    await using connection = await connect(options);
    const { operations } = connection;
    const askedAtMs = Date.now();
    const store = await operations.describe();
    const answeredAtMs = Date.now();
    const workers = await operations.workers();
    const clockDifferenceMs = Math.round(store.nowMs - (askedAtMs + answeredAtMs) / 2);
    const findings = [
      ...store.findings,
      ...judgeWorkers(workers),
      judgeClock(clockDifferenceMs),
      judgeVersions(workers),
    ];
    if (findings.some(({ level }) => level === "problem")) process.exitCode = EXIT_CODES.failure;
    if (options.json === true) {
      return printJson({
        millrace: packageVersion(),
        node: process.version,
        store,
        workers,
        clockDifferenceMs,
        findings,
      });
    }
    print(...describe(store, workers), "", ...findings.map(describeFinding));
  });
}

function describe(store: StoreDescription, workers: readonly WorkerRecord[]): readonly string[] {
  const rows: readonly (readonly [string, string])[] = [
    ["millrace", `${packageVersion()} on Node ${process.version}`],
    ["store", `${store.kind} ${store.version} at ${store.location}`],
    ["namespace", store.namespace],
    ["durability", store.durability],
    ["can lose", store.canLose],
    ["workers", String(workers.length)],
    ...Object.entries(store.facts).map(([name, value]) => [name, String(value)] as const),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(
    ([name, value]) => `${paint("bold", clean(name).padEnd(width))}  ${clean(value)}`,
  );
}

function judgeWorkers(workers: readonly WorkerRecord[]): readonly Finding[] {
  if (workers.length > 0) return [];
  return [
    {
      level: "warning",
      message: "no worker is up: jobs are kept, and run when one starts (millrace worker)",
    },
  ];
}

function judgeClock(differenceMs: number): Finding {
  const text = formatDuration(Math.abs(differenceMs));
  return Math.abs(differenceMs) <= MAX_CLOCK_DIFFERENCE_MS
    ? { level: "ok", message: `this machine's clock is within ${text} of the store's` }
    : {
        level: "warning",
        message: `this machine's clock is ${text} ${differenceMs > 0 ? "behind" : "ahead of"} the store's: times shown here are off by that; delays go by the store's`,
      };
}

function judgeVersions(workers: readonly WorkerRecord[]): Finding {
  const versions = new Set(workers.map(({ version }) => version));
  versions.add(packageVersion());
  return versions.size === 1
    ? { level: "ok", message: "all workers run this version" }
    : { level: "warning", message: `several versions are at work: ${[...versions].join(", ")}` };
}

function describeFinding({ level, message }: Finding): string {
  const marks = {
    ok: paint("green", "ok     "),
    warning: paint("yellow", "warning"),
    problem: paint("red", "problem"),
  };
  return `${marks[level]}  ${clean(message)}`;
}
