// `millrace collect`: runs a fleet of a program and collects exactly so many samples from its streams.
import { type Command, InvalidArgumentError } from "commander";
import { MillraceError } from "../../core/index.ts";
import type { CollectOptions, Readiness } from "../../fleet/index.ts";
import { readCount } from "../option-values.ts";

/** The command's options as commander hands them over. */
interface CollectCommandOptions {
  readonly command: string;
  readonly url: string;
  readonly samples: number;
  readonly workers: number;
  readonly within?: string;
  readonly giveUpAfter?: string;
  readonly stallTimeout: string;
  readonly ready: string;
  readonly portsFrom?: number;
  readonly startingAtOnce?: number;
  readonly restartLimit?: number;
  readonly stopGrace?: string;
  readonly pattern: string;
  readonly pace?: string;
  readonly maxLineBytes?: number;
  readonly cwd?: string;
  readonly env?: readonly string[];
  readonly json?: true;
}

/** Adds `millrace collect`. */
export function registerCollect(program: Command): void {
  program
    .command("collect")
    .description("run a fleet of a worker program and collect exactly so many samples from it")
    .requiredOption(
      "--command <template>",
      "the program; {id}, {port}, {start} are filled in; no shell",
    )
    .requiredOption("--url <template>", "what a member is asked; {n} is how many samples")
    .requiredOption("--samples <number>", "how many samples to collect", readCount)
    .requiredOption("--workers <number>", "most members at one time", readCount)
    .option("--within <duration>", "when they are wanted, from the first start of a member")
    .option("--give-up-after <duration>", "end incomplete after so long")
    .option("--stall-timeout <duration>", "replace a member that owes a sample so long", "2s")
    .option("--ready <how>", "tcp, started, http:<url> or line:<text>", "tcp")
    .option("--ports-from <port>", "member 1 gets this port, and so on; else free ones", readCount)
    .option(
      "--starting-at-once <number>",
      "members that start at a time; else one a core",
      readCount,
    )
    .option("--restart-limit <number>", "restarts in a row without a sample", whole)
    .option("--stop-grace <duration>", "time between SIGTERM and SIGKILL at the end")
    .option(
      "--pattern <regexp>",
      "a sample's line; its first group is the sample",
      "^rnd=(-?\\d+)$",
    )
    .option(
      "--pace <duration>",
      "a member's time from sample to sample, for the ideal; else measured",
    )
    .option("--max-line-bytes <number>", "drop longer lines", readCount)
    .option("--cwd <directory>", "where the members run")
    .option("--env <name[=value]>", "hand down or set a variable; can be repeated", collectWords)
    .option("--json", "print the result, samples and all, as one JSON object")
    .addHelpText(
      "after",
      `
Exit codes: 0 complete in time, 7 complete but late, 8 incomplete, 130 interrupted.

Examples:
  $ millrace collect --command "./worker -workerId {id} -port {port}" \\
      --url "http://localhost:{port}/rnd?n={n}" --samples 150 --workers 16 --within 10s`,
    )
    .action(async (options: CollectCommandOptions) => {
      const { runCollect } = await import("../collect-run.ts");
      process.exitCode = await runCollect(toCollectOptions(options), options);
    });
}

type Sample = number | string;

/** The library's options for the command's. */
function toCollectOptions(
  options: CollectCommandOptions,
): CollectOptions<Sample> & { readonly parse: (line: string) => Sample | undefined } {
  const { command, url, samples, workers, stallTimeout, portsFrom, env = [] } = options;
  const set = env.filter((word) => word.includes("="));
  const settings = set.map((word) => [
    word.slice(0, word.indexOf("=")),
    word.slice(word.indexOf("=") + 1),
  ]);
  return {
    command,
    url,
    samples,
    workers,
    stallTimeout,
    ready: readiness(options.ready),
    parse: parserOf(options.pattern),
    env: Object.fromEntries(settings) as Record<string, string>,
    inheritEnv: env.filter((word) => !word.includes("=")),
    ...(portsFrom === undefined ? {} : { ports: { from: portsFrom } }),
    ...given(options),
  };
}

/** What goes on under its own name, where it was said. */
function given(options: CollectCommandOptions): Partial<CollectOptions<Sample>> {
  const { within, giveUpAfter, startingAtOnce, restartLimit, stopGrace, pace, maxLineBytes, cwd } =
    options;
  const all = {
    within,
    giveUpAfter,
    startingAtOnce,
    restartLimit,
    stopGrace,
    pace,
    maxLineBytes,
    cwd,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function readiness(text: string): Readiness {
  if (text === "tcp" || text === "started") return text;
  if (text.startsWith("http:") && text.length > 5) {
    return { http: text.startsWith("http://") ? text : text.slice(5) };
  }
  if (text.startsWith("line:") && text.length > 5) return { line: text.slice(5) };
  throw new MillraceError("INVALID_ARGUMENT", {
    message: `--ready is "${text}"; expected tcp, started, http:<url> or line:<text>`,
  });
}

function parserOf(pattern: string): (line: string) => Sample | undefined {
  let wanted: RegExp;
  try {
    wanted = new RegExp(pattern);
  } catch (thrown) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `--pattern is no regular expression: ${String(thrown)}`,
      cause: thrown,
    });
  }
  return (line) => {
    const match = wanted.exec(line);
    if (match === null) return undefined;
    const text = match[1] ?? match[0];
    const number = text.trim() === "" ? Number.NaN : Number(text);
    return Number.isFinite(number) ? number : text;
  };
}

function whole(text: string): number {
  const number = Number(text);
  if (text !== "" && Number.isSafeInteger(number) && number >= 0) return number;
  throw new InvalidArgumentError("Expected a whole number of at least 0.");
}

function collectWords(word: string, before: readonly string[] = []): readonly string[] {
  return [...before, word];
}
