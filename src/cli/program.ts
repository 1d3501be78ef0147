// The command line as a whole: every command registers itself here, and errors become lines and exit codes.
import { Command, CommanderError } from "commander";
import { isMillraceError } from "../core/index.ts";
import { registerCollect } from "./commands/collect.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerDrain, registerPause, registerResume } from "./commands/doors.ts";
import { registerEnqueue } from "./commands/enqueue.ts";
import { registerInit } from "./commands/init.ts";
import { registerJob, registerJobs } from "./commands/jobs.ts";
import { registerMove } from "./commands/move.ts";
import { registerLimits } from "./commands/limits.ts";
import { registerQueues, registerTypes, registerWorkers } from "./commands/listings.ts";
import { registerDead, registerOrders } from "./commands/orders.ts";
import { registerRollup } from "./commands/rollup.ts";
import { registerGraph, registerRun, registerSignal } from "./commands/runs.ts";
import { registerSchedule, registerSchedules } from "./commands/schedules.ts";
import { registerServe, registerStart, registerWorker } from "./commands/start.ts";
import { registerStats } from "./commands/stats.ts";
import { registerTop } from "./commands/top.ts";
import { registerVerify } from "./commands/verify.ts";
import { registerErrors, registerWhy } from "./commands/why.ts";
import { EXIT_CODES, exitCodeOf } from "./exit-codes.ts";
import { cleanLines } from "./output.ts";
import { packageVersion } from "../version/index.ts";

/** Adds one command, or a family of them, to the program. Each file under commands/ exports one. */
export type RegisterCommand = (program: Command) => void;

/** In the order of the help. Commands load what they need when they run, so that `--help` stays quick. */
const COMMANDS: readonly RegisterCommand[] = [
  registerInit,
  registerStart,
  registerServe,
  registerWorker,
  registerEnqueue,
  registerJobs,
  registerJob,
  registerWhy,
  registerErrors,
  registerDead,
  registerOrders,
  registerPause,
  registerDrain,
  registerResume,
  registerRun,
  registerSignal,
  registerGraph,
  registerSchedules,
  registerSchedule,
  registerTypes,
  registerQueues,
  registerLimits,
  registerWorkers,
  registerStats,
  registerTop,
  registerCollect,
  registerRollup,
  registerVerify,
  registerMove,
  registerDoctor,
  registerCompletion,
];

/** Builds the whole command line. Commands throw; {@link runCommandLine} turns that into an exit code. */
export function createProgram(commands: readonly RegisterCommand[] = COMMANDS): Command {
  const program = new Command("millrace")
    .description("Durable jobs, workflows, fleets of worker programs and live roll-ups.")
    .version(packageVersion(), "-v, --version")
    .showHelpAfterError("(add --help for what can be said here)")
    .exitOverride();
  for (const register of commands) register(program);
  return program;
}

/** Runs one command line and gives the exit code. Errors are told in a line on standard error, never as a stack. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : EXIT_CODES.ok;
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      return thrown.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
    }
    const code = isMillraceError(thrown) ? ` (${thrown.code})` : "";
    // The service's own words are for whoever writes requests.
    const hint = isMillraceError(thrown, "UNAUTHORIZED")
      ? "; here by MILLRACE_TOKEN or --token"
      : "";
    const said = thrown instanceof Error ? thrown.message : String(thrown);
    // A message may repeat what a job's handler threw.
    console.error(`millrace: ${cleanLines(said)}${hint}${code}`);
    return exitCodeOf(thrown);
  }
}

/**
 * Ends this process when whoever read its output has gone: what waits ends in good order, as on a signal, anything
 * else at once.
 */
export function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.stdout.on("error", () => {});
  if (process.listenerCount("SIGTERM") > 0) process.kill(process.pid, "SIGTERM");
  else process.exit(EXIT_CODES.brokenPipe);
}
