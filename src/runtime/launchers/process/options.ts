// What a job type says of the program that runs it, read and checked.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { OptionNames } from "../../../core/arguments.ts";
import { MillraceError } from "../../../core/errors.ts";
import { type Command, type CommandTemplate, parseCommand } from "../../../processes/index.ts";

/** Options of a job type that is launched as a process. */
export interface ProcessLaunchOptions {
  /**
   * The program and its arguments, as text or as words. No shell ever sees them. `{id}`, `{type}`, `{attempt}`,
   * `{token}` and the names of the input's own fields (`{path}`) are filled in, each inside its word.
   */
  readonly command: Command;
  /** Working directory. Default: the worker's own. */
  readonly cwd?: string;
  /** Variables set for the program. */
  readonly env?: Readonly<Record<string, string>>;
  /** Names of the worker's own variables that the program may see, beside the few that every program needs. */
  readonly passEnv?: readonly string[];
  /** Keeps the process for further jobs, one at a time. It must speak the protocol. */
  readonly warm?: boolean;
  /** Most memory (address space) in bytes, where the system can hold it (Linux). */
  readonly maxMemoryBytes?: number;
  /** Most processor time in seconds, where the system can hold it (Linux). */
  readonly maxCpuSeconds?: number;
}

/** The names of what a job type says of its program. */
export const PROCESS_NAMES: OptionNames<ProcessLaunchOptions> = {
  command: true,
  cwd: true,
  env: true,
  passEnv: true,
  warm: true,
  maxMemoryBytes: true,
  maxCpuSeconds: true,
};

/** The same, read. */
export interface ProcessSettings {
  readonly template: CommandTemplate;
  readonly placeholders: readonly string[];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly isWarm: boolean;
  /** Words before the command that set its limits. */
  readonly limits: readonly string[];
}

/** What programs need to find their libraries, their home and their language. Nothing here is a secret. */
const USUAL_ENV: readonly string[] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER"];
const PLACEHOLDER_NAME = /(?<!\{)\{(\w+)\}/g;

/** @throws MillraceError `INVALID_ARGUMENT` that names the field, `UNSUPPORTED` for limits the system can't hold */
export function readProcessOptions(value: unknown, type: string): ProcessSettings {
  const options = (value ?? {}) as Partial<ProcessLaunchOptions>;
  const { command } = options;
  const isText = typeof command === "string";
  const isWords = Array.isArray(command) && command.every((word) => typeof word === "string");
  if (!isText && !isWords) {
    throw wrong(type, "command", command, 'a text such as "./resize {path}" or a list of words');
  }
  const words = isText ? [command] : command;
  const placeholders = words.flatMap((word) =>
    [...word.matchAll(PLACEHOLDER_NAME)].map(([, name = ""]) => name),
  );
  const isWarm = options.warm ?? false;
  if (isWarm && placeholders.length > 0) {
    throw wrong(type, "command", command, "no placeholders: a warm process runs many jobs");
  }
  return {
    template: parseCommand(command, placeholders),
    placeholders,
    cwd: options.cwd,
    env: { ...pickEnv([...USUAL_ENV, ...(options.passEnv ?? [])]), ...options.env },
    isWarm,
    limits: limitWords(options, type),
  };
}

function pickEnv(names: readonly string[]): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}

function limitWords(options: Partial<ProcessLaunchOptions>, type: string): readonly string[] {
  const { maxMemoryBytes, maxCpuSeconds } = options;
  if (maxMemoryBytes === undefined && maxCpuSeconds === undefined) return [];
  for (const [field, bound] of Object.entries({ maxMemoryBytes, maxCpuSeconds })) {
    if (bound !== undefined && (!Number.isInteger(bound) || bound < 1)) {
      throw wrong(type, field, bound, "a whole number from 1");
    }
  }
  const prlimit = findProgram("prlimit");
  if (prlimit === undefined) {
    throw new MillraceError("UNSUPPORTED", {
      message: `job type ${type} limits its program's memory or processor time, which needs the program prlimit (util-linux) on PATH; install it or leave maxMemoryBytes and maxCpuSeconds out`,
    });
  }
  return [
    prlimit,
    ...(maxMemoryBytes === undefined ? [] : [`--as=${maxMemoryBytes}`]),
    ...(maxCpuSeconds === undefined ? [] : [`--cpu=${maxCpuSeconds}`]),
    "--",
  ];
}

/** Where a program is on PATH. */
function findProgram(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path));
}

function wrong(type: string, field: string, value: unknown, expected: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", {
    message: `job type ${type} has launch.options.${field} ${JSON.stringify(value)}; expected ${expected}`,
  });
}
