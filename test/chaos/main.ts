// `npm run chaos -- <id>... [--seed N] [--short] [--keep] [--store URL]`: brings faults about and prints what held.
import { enableCompileCache, getCompileCacheDir } from "node:module";
import { parseArgs } from "node:util";
import { findScenarios } from "./harness/find-scenarios.ts";
import { runScenario, toText } from "./harness/run-scenario.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    short: { type: "boolean", default: false },
    store: { type: "string" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function readSeed(): number | undefined {
  if (flags.seed === undefined) return undefined;
  const seed = Number(flags.seed);
  if (!Number.isInteger(seed) || seed < 0) {
    throw new Error(`--seed is ${flags.seed}; expected a whole number from 0`);
  }
  return seed;
}

// What a row starts and kills by the hundred begins its work sooner.
enableCompileCache();
process.env["NODE_COMPILE_CACHE"] = getCompileCacheDir();

async function main(): Promise<number> {
  const scenarios = await findScenarios();
  const asked = positionals.map((id) => id.toUpperCase());
  const unknown = asked.filter((id) => id !== "ALL" && !scenarios.some((each) => each.id === id));
  if (flags.help || asked.length === 0 || unknown.length > 0) {
    for (const id of unknown) console.error(`there is no scenario ${id}`);
    console.log(
      "npm run chaos -- <id>... | all [--seed N] [--short] [--keep] [--store URL | redis]\n",
    );
    for (const { id, fault } of scenarios) console.log(`  ${id.padEnd(4)} ${fault}`);
    return flags.help ? 0 : 2;
  }
  const seed = readSeed();
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  let isBroken = false;
  for (const scenario of scenarios) {
    if (stop.signal.aborted || !(asked.includes("ALL") || asked.includes(scenario.id))) continue;
    console.log(`${scenario.id}: ${scenario.fault}`);
    const report = await runScenario(scenario, {
      isShort: flags.short,
      signal: stop.signal,
      keepsFiles: flags.keep,
      ...(flags.store === undefined ? {} : { store: flags.store }),
      ...(seed === undefined ? {} : { seed }),
    });
    console.log(`${toText(report)}\n`);
    if (report.figures.some(({ holds }) => !holds)) isBroken = true;
  }
  return isBroken || stop.signal.aborted ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
