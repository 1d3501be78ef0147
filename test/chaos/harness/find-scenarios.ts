// Finds the scenarios: every file of the rooms under test/chaos/ that bears the id of a row.
import { globSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Scenario } from "./scenario.ts";

const CHAOS = fileURLToPath(new URL("../", import.meta.url));

/** Letter, number: `w1.ts` holds W1. */
const SCENARIO_FILE = /^[a-z]\d+\.ts$/;

export async function findScenarios(): Promise<readonly Scenario[]> {
  const files = globSync("*/*.ts", { cwd: CHAOS }).filter((file) =>
    SCENARIO_FILE.test(basename(file)),
  );
  const scenarios = await Promise.all(
    files.map(async (file) => {
      const module = (await import(new URL(`../${file}`, import.meta.url).href)) as {
        scenario: Scenario;
      };
      return module.scenario;
    }),
  );
  return scenarios.sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
}
