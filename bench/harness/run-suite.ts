// Runs a suite: round after round, subjects taking turns, so that what disturbs the machine disturbs all of them.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureInChild } from "./measure-in-child.ts";
import type { Series } from "./report.ts";
import type { Prepared, Suite } from "./suite.ts";

/** `--quick` ends within 45 seconds; the rest of them is for starting up and for printing. */
const QUICK_BUDGET_MS = 40_000;

export interface RunOptions {
  readonly rounds: number;
  readonly isQuick: boolean;
  /** Only these cases; all when empty. */
  readonly cases: readonly string[];
  /** Only these subjects; all when empty. */
  readonly subjects: readonly string[];
  readonly signal: AbortSignal;
  /** Told what goes on, for a terminal. */
  readonly onProgress: (line: string) => void;
}

export interface SuiteResult {
  readonly series: readonly Series[];
  readonly failures: readonly string[];
  readonly rounds: number;
}

/** One turn of a round: what a child process is started for. */
interface Turn {
  readonly measurement: number;
  readonly subject: string;
  readonly cases: readonly string[];
}

export async function runSuite(suite: Suite, options: RunOptions): Promise<SuiteResult> {
  const turns = planTurns(suite, options);
  if (turns.length === 0)
    throw new Error(`nothing to run: ${suite.name} has no such case or subject`);
  const directory = mkdtempSync(join(tmpdir(), `millrace-bench-${suite.name}-`));
  let prepared: Prepared | undefined;
  try {
    prepared = await suite.prepare?.({ directory });
    return await runRounds(suite, turns, options, {
      directory,
      settings: prepared?.settings ?? {},
    });
  } finally {
    await prepared?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

function planTurns(suite: Suite, options: RunOptions): readonly Turn[] {
  return suite.measurements.flatMap(({ cases, subjects, isLong = false }, measurement) => {
    const wanted = Object.keys(cases).filter((name) => isWanted(options.cases, name));
    // A case that is asked for by its name is run, however long it takes.
    if (wanted.length === 0 || (options.isQuick && isLong && options.cases.length === 0)) return [];
    return Object.keys(subjects)
      .filter((name) => isWanted(options.subjects, name))
      .map((subject) => ({ measurement, subject, cases: wanted }));
  });
}

function isWanted(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name);
}

async function runRounds(
  suite: Suite,
  turns: readonly Turn[],
  options: RunOptions,
  { directory, settings }: { directory: string; settings: Prepared["settings"] },
): Promise<SuiteResult> {
  const sharedDirectory = join(directory, "shared");
  mkdirSync(sharedDirectory);
  const values = new Map<string, number[]>();
  for (const { cases, subject } of turns)
    for (const name of cases) values.set(`${name} ${subject}`, []);
  const failures: string[] = [];
  const startedAt = performance.now();
  let rounds = 0;
  while (rounds < options.rounds && !options.signal.aborted) {
    const roundTook = rounds === 0 ? 0 : (performance.now() - startedAt) / rounds;
    const spent = performance.now() - startedAt;
    if (options.isQuick && spent + roundTook > QUICK_BUDGET_MS) break;
    // Every other round the order turns, so that no subject always runs right after the same one.
    for (const turn of rounds % 2 === 0 ? turns : turns.toReversed()) {
      const isLate = rounds > 0 && performance.now() - startedAt > QUICK_BUDGET_MS;
      if (options.signal.aborted || (options.isQuick && isLate)) break;
      options.onProgress(`round ${rounds + 1}: ${turn.cases.join(", ")}: ${turn.subject}`);
      const runDirectory = mkdtempSync(join(directory, "run-"));
      try {
        const figures = await measureInChild(
          {
            suite: suite.name,
            measurement: turn.measurement,
            subject: turn.subject,
            isQuick: options.isQuick,
            directory: runDirectory,
            sharedDirectory,
            settings,
          },
          options.signal,
        );
        for (const name of turn.cases)
          values.get(`${name} ${turn.subject}`)?.push(figures[name] ?? 0);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        failures.push(`${turn.cases.join(", ")} of ${turn.subject}: ${why}`);
      } finally {
        rmSync(runDirectory, { recursive: true, force: true });
      }
    }
    rounds += 1;
  }
  const series = turns.flatMap(({ cases, subject }) =>
    cases.map((name) => ({ case: name, subject, values: values.get(`${name} ${subject}`) ?? [] })),
  );
  return { series, failures, rounds };
}
