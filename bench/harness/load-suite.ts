// Finds the suites: each is a file of bench/suites/ that bears its name.
import { readdirSync } from "node:fs";
import type { Suite } from "./suite.ts";

const SUITES = new URL("../suites/", import.meta.url);

export function listSuites(): readonly string[] {
  return readdirSync(SUITES)
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => file.slice(0, -".ts".length))
    .sort();
}

export async function loadSuite(name: string): Promise<Suite> {
  if (!listSuites().includes(name)) {
    throw new Error(`there is no suite "${name}"; expected one of ${listSuites().join(", ")}`);
  }
  const { suite } = (await import(new URL(`${name}.ts`, SUITES).href)) as { suite: Suite };
  return suite;
}
