// Runs a scenario: gives it a directory and a seed, collects its figures, and cleans up whatever happens.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom } from "./random.ts";
import type { Bound, Figure, Report, Scenario } from "./scenario.ts";

export interface RunOptions {
  readonly isShort: boolean;
  /** Repeats a run's choices; drawn when absent. */
  readonly seed?: number;
  readonly signal: AbortSignal;
  readonly store?: string;
  /** Leave the run's directory behind, to be looked at. */
  readonly keepsFiles?: boolean;
}

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Report> {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  const figures: Figure[] = [];
  const startedAt = performance.now();
  const report = (skipped?: string): Report => ({
    id: scenario.id,
    form: options.isShort ? "short" : "long",
    seed,
    tookMs: Math.round(performance.now() - startedAt),
    figures,
    ...(skipped === undefined ? {} : { skipped }),
  });
  const missing = scenario.missing?.() ?? null;
  if (missing !== null) return report(missing);

  await using resources = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), `millrace-chaos-${scenario.id.toLowerCase()}-`));
  resources.defer(() => {
    if (options.keepsFiles === true) console.log(`kept: ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  });
  try {
    await scenario.run({
      isShort: options.isShort,
      random: createRandom(seed),
      directory,
      store: options.store,
      signal: options.signal,
      figure: (name, value) => figures.push({ name, value, holds: true }),
      must: (name, value, bound) =>
        figures.push({ name, value, bound: inWords(bound), holds: isWithin(value, bound) }),
      use: (resource) => resources.use(resource),
    });
  } catch (error) {
    throw new Error(`${scenario.id} broke off (seed ${seed}): ${String(error)}`, { cause: error });
  }
  return report();
}

/** A report as lines for a terminal. */
export function toText(report: Report): string {
  const head = `${report.id} (${report.form}), seed ${report.seed}`;
  if (report.skipped !== undefined) return `${head}: skipped: ${report.skipped}`;
  const width = Math.max(...report.figures.map(({ name }) => name.length));
  const lines = report.figures.map(({ name, value, bound, holds }) => {
    const judged = bound === undefined ? "" : `  must be ${bound}${holds ? "" : "  BROKEN"}`;
    return `  ${name.padEnd(width)}  ${value}${judged}`;
  });
  return [`${head}: ${(report.tookMs / 1000).toFixed(1)} s`, ...lines].join("\n");
}

function isWithin(value: number, bound: Bound): boolean {
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = bound;
  const { exactly = value } = bound;
  // The negation would let NaN through.
  return value >= atLeast && value <= atMost && value === exactly;
}

function inWords({ atLeast, atMost, exactly }: Bound): string {
  return [
    exactly === undefined ? [] : [String(exactly)],
    atLeast === undefined ? [] : [`at least ${atLeast}`],
    atMost === undefined ? [] : [`at most ${atMost}`],
  ]
    .flat()
    .join(" and ");
}
