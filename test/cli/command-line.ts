// Runs the command line as a process, for the tests of this room and of others.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MockInstance, vi } from "vitest";
import { runCommandLine } from "../../src/cli/program.ts";

export const repository: string = fileURLToPath(new URL("../../", import.meta.url));
const entry = join(repository, "src/cli/main.ts");
/** The arguments of Node before those of the command line. */
const NODE_ARGUMENTS: readonly string[] = ["--conditions=millrace-source", entry];

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
export interface RunOptions {
  /** In a process group of its own, as a terminal's foreground job is. */
  readonly hasOwnGroup?: boolean;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("MILLRACE_") && name !== "NODE_OPTIONS" && name !== "FORCE_COLOR",
  );
  return { ...Object.fromEntries(kept), NO_COLOR: "1", ...extra };
}

/**
 * Runs one command in this process: starting one of its own for each would take most of the tests' time. One at a time,
 * as it is the process's own output, environment and exit code that are used.
 */
export async function run(
  args: readonly string[],
  { env = {} }: { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Finished> {
  const texts = { out: "", err: "" };
  const capture = (stream: NodeJS.WriteStream, name: "out" | "err"): MockInstance =>
    vi.spyOn(stream, "write").mockImplementation((text) => {
      texts[name] += String(text);
      return true;
    });
  const printed = vi.spyOn(console, "error").mockImplementation((text: unknown) => {
    texts.err += `${String(text)}\n`;
  });
  const spies = [capture(process.stdout, "out"), capture(process.stderr, "err"), printed];
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const exitCode = process.exitCode;
  process.exitCode = undefined;
  try {
    const code = await runCommandLine(args);
    return { code, ...texts };
  } finally {
    process.exitCode = exitCode;
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
  }
}

/** Runs one command to its end, in a process of its own. */
export async function runProcess(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [...NODE_ARGUMENTS, ...args], {
    cwd: options.cwd ?? repository,
    env: environment(options.env),
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  child.stdin.end(options.input ?? "");
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

export interface Running {
  readonly child: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** Waits for a line, and gives the first group of the pattern. */
  line(pattern: RegExp): Promise<string>;
  /** Waits for its end and gives the exit code. */
  end(): Promise<number | null>;
  /** Sends a signal and gives the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a program that goes on. The caller stops it. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(command, args, {
    cwd: options.cwd ?? repository,
    env: environment(options.env),
    detached: options.hasOwnGroup ?? false,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  const waiting = new Set<() => void>();
  const take = (text: string): void => {
    output += text;
    for (const look of waiting) look();
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  const closed = once(child, "close") as Promise<[number | null]>;
  return {
    child,
    output: () => output,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(output);
          if (match === null) return;
          waiting.delete(look);
          resolve(match[1] ?? match[0]);
        };
        waiting.add(look);
        look();
        void closed.then(() => reject(new Error(`ended without ${pattern}: ${output}`)));
      }),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const [code] = await closed;
      return code;
    },
    async end() {
      const [code] = await closed;
      return code;
    },
  };
}

/** The program and the arguments that are a command, for what runs it in its own way. */
export function commandLine(...args: readonly string[]): readonly string[] {
  return [process.execPath, ...NODE_ARGUMENTS, ...args];
}

/** Starts a command that goes on: start, serve, worker, top. */
export function startCommand(args: readonly string[], options: RunOptions = {}): Running {
  return start(process.execPath, [...NODE_ARGUMENTS, ...args], options);
}

/** A shell's command line that runs a command on a terminal of this size. */
export function terminalCommand(
  args: readonly string[],
  { rows, columns }: { readonly rows: number; readonly columns: number },
): string {
  const words = [process.execPath, ...NODE_ARGUMENTS, ...args];
  const quoted = words.map((word) => `'${word.replaceAll("'", String.raw`'\\''`)}'`);
  return `stty rows ${rows} cols ${columns}; exec ${quoted.join(" ")}`;
}

/** A directory for one test. */
export async function scratch(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "millrace-test-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}
