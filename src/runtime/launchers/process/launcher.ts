// The launcher `process`: a job runs in a program in any language, in a process group of its own.
import { availableParallelism } from "node:os";
import { type OptionNames, checkOptions } from "../../../core/arguments.ts";
import { MillraceError } from "../../../core/errors.ts";
import { fatal } from "../../../core/outcomes.ts";
import { Guardian, fillCommand } from "../../../processes/index.ts";
import { checkLaunchNames } from "../launch-names.ts";
import type { LaunchRequest, Launcher } from "../launcher.ts";
import { PROCESS_NAMES, type ProcessSettings, readProcessOptions } from "./options.ts";
import { Program } from "./program.ts";

/** Options of the launcher. */
export interface ProcessLauncherOptions {
  /** Most warm processes of one job type. Default: one for each core. More jobs wait their turn. */
  readonly maxWarm?: number;
}

const LAUNCHER_NAMES: OptionNames<ProcessLauncherOptions> = { maxWarm: true };

/** Time for a warm program to end after its input did. */
const STOP_GRACE_MS = 2_000;

/** Makes the launcher `process`. Programs end with the worker, also when it dies without a word. */
export function createProcessLauncher(options: ProcessLauncherOptions = {}): Launcher {
  const { maxWarm = availableParallelism() } = checkOptions(options, "options", LAUNCHER_NAMES);
  const settingsOf = new Map<string, ProcessSettings>();
  const pools = new Map<string, WarmPool>();
  const running = new Set<Program>();
  let guardian: Guardian | undefined;

  const open = (settings: ProcessSettings, argv: readonly string[], env: object): Program => {
    guardian ??= new Guardian(() => {});
    const program: Program = new Program({
      argv: [...settings.limits, ...argv],
      cwd: settings.cwd,
      env: { ...settings.env, ...env },
      isWarm: settings.isWarm,
      guardian,
      onEnd: () => running.delete(program),
    });
    running.add(program);
    return program;
  };

  return {
    name: "process",
    check: (value, type) => {
      checkLaunchNames(value, type, PROCESS_NAMES);
      settingsOf.set(type, readProcessOptions(value, type));
    },
    launch: async (request) => {
      const { type } = request.job;
      const settings = settingsOf.get(type) ?? readProcessOptions(request.options, type);
      if (!settings.isWarm) {
        return open(settings, argvOf(settings, request), jobEnv(request)).run(request);
      }
      const pool =
        pools.get(type) ?? new WarmPool(maxWarm, () => open(settings, settings.template.words, {}));
      pools.set(type, pool);
      return pool.run(request);
    },
    stop: async () => {
      await Promise.all([...running].map(async (program) => program.stop(STOP_GRACE_MS)));
      await guardian?.stop();
      guardian = undefined;
    },
  };
}

/** Processes of one job type that are kept for further jobs. */
class WarmPool {
  readonly #max: number;
  readonly #open: () => Program;
  readonly #idle: Program[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(max: number, open: () => Program) {
    this.#max = max;
    this.#open = open;
  }

  async run(request: LaunchRequest): Promise<unknown> {
    while (this.#busy >= this.#max) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#busy += 1;
    const program = this.#take();
    try {
      return await program.run(request);
    } finally {
      this.#busy -= 1;
      // A cancelled job's program may still be at it: only one that said how its job ended is used again.
      if (request.signal.aborted) program.kill();
      else if (!program.hasEnded) this.#idle.push(program);
      this.#waiting.shift()?.();
    }
  }

  #take(): Program {
    for (;;) {
      const warm = this.#idle.pop();
      if (warm === undefined) return this.#open();
      if (!warm.hasEnded) return warm;
    }
  }
}

function jobEnv({ job }: LaunchRequest): Readonly<Record<string, string>> {
  return {
    MILLRACE_JOB_ID: job.id,
    MILLRACE_JOB_TYPE: job.type,
    MILLRACE_JOB_ATTEMPT: String(job.attempt),
    MILLRACE_JOB_TOKEN: job.token,
  };
}

function argvOf(settings: ProcessSettings, request: LaunchRequest): readonly string[] {
  const { job, input } = request;
  const fields: Readonly<Record<string, unknown>> = {
    ...(typeof input === "object" && input !== null ? input : {}),
    id: job.id,
    type: job.type,
    attempt: job.attempt,
    token: job.token,
  };
  const values: Record<string, string | number> = {};
  for (const name of settings.placeholders) values[name] = argument(fields, name);
  for (const [index, word] of settings.template.words.entries()) refuseOption(index, word, values);
  return fillCommand(settings.template, values);
}

function argument(fields: Readonly<Record<string, unknown>>, name: string): string | number {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  const isPlain =
    typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  if (!isPlain || (typeof value === "string" && value.includes("\0"))) {
    throw new MillraceError("INVALID_INPUT", {
      message: `the command needs {${name}}, and the input has no text, number or boolean of that name`,
    });
  }
  return typeof value === "boolean" ? String(value) : value;
}

/** An input must not become an option of the program: a value that begins a word may not begin with a dash. */
function refuseOption(
  index: number,
  word: string,
  values: Readonly<Record<string, string | number>>,
): void {
  const [, name] = /^\{(\w+)\}/.exec(word) ?? [];
  if (name === undefined || (index > 0 && !String(values[name]).startsWith("-"))) return;
  throw fatal(
    index === 0
      ? `the command's program is {${name}}; an input may not choose the program`
      : `the input's ${name} begins with a dash, which the program would take for an option; write the command as "--name={${name}}" or "./{${name}}"`,
  );
}
