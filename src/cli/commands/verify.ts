// `millrace verify`: checks a program against the process protocol.
import type { Command } from "commander";
import { MillraceError, parseTimeout } from "../../core/index.ts";
import type { Verdict } from "../../runtime/index.ts";
import { EXIT_CODES } from "../exit-codes.ts";

/** Where the sections are written down. */
const PROTOCOL = "docs/process-protocol.md";

interface VerifyCommandOptions {
  readonly input: string;
  readonly warm?: true;
  readonly timeout: string;
  readonly json?: true;
}

/** Adds `millrace verify`. */
export function registerVerify(program: Command): void {
  program
    .command("verify")
    .description("check a program against the process protocol")
    .argument("<program...>", "the program and its arguments, after --")
    .option("--input <json>", "the input of the jobs that it is given", "{}")
    .option("--warm", "check a program that is kept for many jobs")
    .option("--timeout <duration>", "time for a job, and for an end that was asked for", "10s")
    .option("--json", "print what was found as one JSON object")
    .addHelpText(
      "after",
      `
Each mistake is told with the section of ${PROTOCOL} that says how it should be.
Exit codes: 0 nothing wrong, 1 mistakes found, 2 wrong usage.

Examples:
  millrace verify -- ./my-worker
  millrace verify --warm --input '{"path":"a.png"}' -- python3 worker.py`,
    )
    .action(async (argv: readonly string[], options: VerifyCommandOptions) => {
      const verdict = await verify(argv, options);
      if (options.json === true) console.log(JSON.stringify(verdict));
      else for (const line of describe(verdict)) console.log(line);
      if (verdict.mistakes.length > 0) process.exitCode = EXIT_CODES.failure;
    });
}

async function verify(argv: readonly string[], options: VerifyCommandOptions): Promise<Verdict> {
  const { verifyProgram } = await import("../../runtime/index.ts");
  const { Guardian } = await import("../../processes/index.ts");
  const guardian = new Guardian(() => {});
  try {
    return await verifyProgram({
      argv,
      inputText: readInput(options.input),
      isWarm: options.warm ?? false,
      timeoutMs: parseTimeout(options.timeout, "--timeout", "10s"),
      guardian,
    });
  } finally {
    await guardian.stop();
  }
}

function readInput(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (cause) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `--input is not JSON: ${cause instanceof Error ? cause.message : text}`,
      cause,
    });
  }
}

function describe({ mistakes, said }: Verdict): readonly string[] {
  const heard = said.map((line) => `  heard  ${JSON.stringify(line)}`);
  if (mistakes.length === 0) return [...heard, "ok       the program keeps the protocol"];
  return [
    ...heard,
    ...mistakes.map(({ section, problem }) => `mistake  section ${section}: ${problem}`),
    `${mistakes.length} mistake${mistakes.length === 1 ? "" : "s"}; the sections are in ${PROTOCOL}`,
  ];
}
