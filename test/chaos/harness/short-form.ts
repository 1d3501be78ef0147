// The short form of a scenario, for a test.
import { runScenario, toText } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";

/** Runs the short form; gives the whole report where a figure does not hold, else nothing. */
export async function brokenInShort(scenario: Scenario, store?: string): Promise<string> {
  const report = await runScenario(scenario, {
    isShort: true,
    ...(store === undefined ? {} : { store }),
    signal: new AbortController().signal,
  });
  if (report.figures.length === 0) return `${scenario.id} told no figure`;
  return report.figures.every(({ holds }) => holds) ? "" : toText(report);
}
