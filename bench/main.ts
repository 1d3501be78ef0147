// `npm run bench -- <suite>... [--quick] [--json] [--case X] [--subject X] [--rounds N]`
import { arch, cpus, platform, release } from "node:os";
import { parseArgs } from "node:util";
import { listSuites, loadSuite } from "./harness/load-suite.ts";
import { toJsonLines, toRows, toTable } from "./harness/report.ts";
import { type SuiteResult, runSuite } from "./harness/run-suite.ts";
import type { Suite } from "./harness/suite.ts";

const USAGE = `npm run bench -- <suite>... [options]

suites: ${listSuites().join(", ")}

  --quick        short forms; ends within 45 seconds
  --json         one object a line: {"bench","case","subject","unit","median","min","max"}
  --case X       only this case (again for more)
  --subject X    only this subject (again for more)
  --rounds N     rounds in which the subjects take turns (default 5)`;

/** Enough for a median that one disturbed round can't move far. */
const DEFAULT_ROUNDS = 5;

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    case: { type: "string", multiple: true, default: [] },
    subject: { type: "string", multiple: true, default: [] },
    rounds: { type: "string", default: String(DEFAULT_ROUNDS) },
    help: { type: "boolean", default: false },
  },
});

function readRounds(): number {
  const rounds = Number(flags.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds is ${flags.rounds}; expected a whole number from 1`);
  }
  return rounds;
}

/** Progress is for a person who waits: it goes to a terminal, on one line that writes itself over. */
function tell(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
}

function print(suite: Suite, result: SuiteResult): void {
  tell("");
  const rows = toRows(suite, result.series);
  if (flags.json) {
    process.stdout.write(toJsonLines(rows));
  } else {
    const machine = `Node ${process.versions.node}, ${platform()} ${release()} ${arch()}, ${cpus().length} cores`;
    console.log(`\n${suite.name}: ${suite.about}`);
    console.log(`${machine}; medians of ${result.rounds} rounds${flags.quick ? ", quick" : ""}\n`);
    console.log(toTable(suite, rows));
  }
  for (const failure of new Set(result.failures)) console.error(`failed: ${failure}`);
}

async function main(): Promise<number> {
  if (flags.help || names.length === 0) {
    console.log(USAGE);
    return flags.help ? 0 : 2;
  }
  const rounds = readRounds();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  let failures = 0;
  for (const name of names) {
    const suite = await loadSuite(name);
    const options = { rounds, isQuick: flags.quick, cases: flags.case, subjects: flags.subject };
    const result = await runSuite(suite, { ...options, signal: stop.signal, onProgress: tell });
    print(suite, result);
    failures += result.failures.length;
  }
  return failures === 0 && !stop.signal.aborted ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
