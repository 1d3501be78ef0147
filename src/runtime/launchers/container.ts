// The launcher `container`: a job runs in a container of its own, by the Docker or Podman command line that is there.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { type AnyOptionNames, type OptionNames, checkOptions } from "../../core/arguments.ts";
import { MillraceError } from "../../core/errors.ts";
import { Guardian } from "../../processes/index.ts";
import { checkLaunchNames } from "./launch-names.ts";
import type { LaunchRequest, Launcher } from "./launcher.ts";
import { Program } from "./process/program.ts";

/** Options of a job type that is launched in a container. The program in it may speak the process protocol. */
export interface ContainerLaunchOptions {
  readonly image: string;
  /** Arguments in place of the image's own command. No shell sees them. */
  readonly command?: readonly string[];
  /** Variables set in the container. Their values do not appear in the command line. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default `"none"`. */
  readonly network?: string;
  readonly maxMemoryBytes?: number;
  /** Processors: 0.5 is half of one. */
  readonly maxCpus?: number;
  /** Most processes. Default {@link DEFAULT_MAX_PROCESSES}. */
  readonly maxProcesses?: number;
  /** Directories of this machine, by where they are in the container. Read-only unless `isWritable`. */
  readonly mounts?: Readonly<
    Record<string, { readonly from: string; readonly isWritable?: boolean }>
  >;
  /** User and group in the container: `"1000:1000"`. Default: the image's. */
  readonly user?: string;
}

type Mount = NonNullable<ContainerLaunchOptions["mounts"]>[string];

const MOUNT_NAMES: OptionNames<Mount> = { from: true, isWritable: true };
const LAUNCH_NAMES: OptionNames<ContainerLaunchOptions> = {
  image: true,
  command: true,
  env: true,
  network: true,
  maxMemoryBytes: true,
  maxCpus: true,
  maxProcesses: true,
  mounts: (mounts): AnyOptionNames =>
    Object.fromEntries(Object.keys(mounts).map((to) => [to, MOUNT_NAMES])),
  user: true,
};

/** Options of the launcher. */
export interface ContainerLauncherOptions {
  /** `"docker"`, `"podman"` or a path. Default: the first of the two that answers. */
  readonly engine?: string;
}

const LAUNCHER_NAMES: OptionNames<ContainerLauncherOptions> = { engine: true };

/** Plenty for a job, and few enough that a fork bomb is held. */
const DEFAULT_MAX_PROCESSES = 256;
/** Time for an engine to say whether it is there. */
const PROBE_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 30_000;
/** Variables that engines' command lines need to find their engine and their settings. */
const ENGINE_ENV: readonly string[] = [
  "PATH",
  "HOME",
  "XDG_RUNTIME_DIR",
  "DOCKER_HOST",
  "DOCKER_CONFIG",
  "DOCKER_CONTEXT",
  "CONTAINER_HOST",
];

/** Makes the launcher `container`. It is refused at start where no engine answers. */
export function createContainerLauncher(options: ContainerLauncherOptions = {}): Launcher {
  checkOptions(options, "options", LAUNCHER_NAMES);
  const running = new Set<string>();
  let engine = options.engine ?? "docker";
  let guardian: Guardian | undefined;
  const end = (name: string): Promise<void> => run(engine, ["kill", name], KILL_TIMEOUT_MS);
  return {
    name: "container",
    check: (value, type) => {
      checkLaunchNames(value, type, LAUNCH_NAMES);
      readOptions(value, type);
    },
    start: async () => {
      engine = await findContainerEngine(
        options.engine === undefined ? ["docker", "podman"] : [options.engine],
      );
    },
    launch: async (request) => {
      const settings = readOptions(request.options, request.job.type);
      const name = `millrace-${request.job.id}-${randomBytes(4).toString("hex")}`;
      guardian ??= new Guardian(() => {});
      const program = new Program({
        argv: containerCommand(engine, settings, { name, request }),
        cwd: undefined,
        env: { ...engineEnv(), ...settings.env },
        isWarm: false,
        guardian,
        onEnd: () => running.delete(name),
      });
      running.add(name);
      // The command line is only the container's client: killing it leaves the container running.
      let killing: Promise<void> | undefined;
      const onKill = (): void => {
        killing ??= end(name).catch(() => {});
      };
      request.kill.addEventListener("abort", onKill);
      if (request.kill.aborted) onKill();
      try {
        return await program.run(request);
      } finally {
        request.kill.removeEventListener("abort", onKill);
        await killing;
      }
    },
    stop: async () => {
      await Promise.all([...running].map(async (name) => end(name).catch(() => {})));
      await guardian?.stop();
      guardian = undefined;
    },
  };
}

/**
 * The command line that runs a job in a container: no network, no privileges, a read-only file system but for /tmp.
 */
export function containerCommand(
  engine: string,
  options: ContainerLaunchOptions,
  { name, request }: { readonly name: string; readonly request: Pick<LaunchRequest, "job"> },
): readonly string[] {
  const { maxMemoryBytes, maxCpus, user, env = {}, mounts = {} } = options;
  return [
    engine,
    "run",
    "--rm",
    "--interactive",
    "--init",
    `--name=${name}`,
    `--label=millrace.job=${request.job.id}`,
    `--network=${options.network ?? "none"}`,
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--read-only",
    "--tmpfs=/tmp",
    `--pids-limit=${options.maxProcesses ?? DEFAULT_MAX_PROCESSES}`,
    // Without swap of the same size beside it, which would double the limit.
    ...(maxMemoryBytes === undefined
      ? []
      : ["--memory", String(maxMemoryBytes), "--memory-swap", String(maxMemoryBytes)]),
    ...(maxCpus === undefined ? [] : ["--cpus", String(maxCpus)]),
    ...(user === undefined ? [] : ["--user", user]),
    ...Object.keys(env).flatMap((variable) => ["--env", variable]),
    ...Object.entries(mounts).flatMap(([to, { from, isWritable }]) => [
      "--mount",
      `type=bind,source=${from},target=${to}${isWritable === true ? "" : ",readonly"}`,
    ]),
    options.image,
    ...(options.command ?? []),
  ];
}

/**
 * The first engine that answers.
 *
 * @throws MillraceError `UNSUPPORTED` that says what each of them answered
 */
export async function findContainerEngine(candidates: readonly string[]): Promise<string> {
  const answers: string[] = [];
  for (const engine of candidates) {
    try {
      // Asks the engine, not only its command line.
      await run(engine, ["version"], PROBE_TIMEOUT_MS);
      return engine;
    } catch (error) {
      answers.push(`${engine}: ${reasonOf(error)}`);
    }
  }
  throw new MillraceError("UNSUPPORTED", {
    message: `the launcher container needs a container engine, and none answers (${answers.join("; ")}). Start one, or name its command by createContainerLauncher({ engine })`,
  });
}

function reasonOf(error: unknown): string {
  const { code, stderr } = error as { code?: string | number; stderr?: string };
  if (code === "ENOENT") return "not on PATH";
  const said = (stderr ?? "").trim().split("\n").at(-1) ?? "";
  return said === "" ? `ended with ${code ?? "a signal"}` : said;
}

function run(engine: string, words: readonly string[], timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(engine, words, { timeout, env: engineEnv() }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(Object.assign(error, { stderr }));
    });
  });
}

function engineEnv(): Record<string, string> {
  return Object.fromEntries(
    ENGINE_ENV.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function readOptions(value: unknown, type: string): ContainerLaunchOptions {
  const options = (value ?? {}) as Partial<ContainerLaunchOptions>;
  const { image, command, maxMemoryBytes, maxCpus, maxProcesses, env = {}, mounts = {} } = options;
  // An image that begins with a dash would be an option of the engine.
  if (typeof image !== "string" || !/^[\w][^\s]*$/.test(image)) {
    throw wrong(type, "image", image, 'an image\'s name such as "alpine:3"');
  }
  const isWords = Array.isArray(command) && command.every((word) => typeof word === "string");
  if (command !== undefined && !isWords) throw wrong(type, "command", command, "a list of words");
  for (const [field, bound] of Object.entries({ maxMemoryBytes, maxCpus, maxProcesses })) {
    if (bound !== undefined && !(Number.isFinite(bound) && bound > 0)) {
      throw wrong(type, field, bound, "a number above 0");
    }
  }
  for (const variable of Object.keys(env)) {
    if (!/^[A-Za-z_]\w*$/.test(variable)) {
      throw wrong(type, "env", variable, "names of letters, digits and _");
    }
    if (ENGINE_ENV.includes(variable)) {
      throw wrong(type, "env", variable, "a name that the engine's command line does not use");
    }
  }
  for (const [to, { from }] of Object.entries(mounts)) {
    if (!/^\/[^,]*$/.test(to) || !/^\/[^,]*$/.test(from)) {
      throw wrong(type, "mounts", { [to]: from }, "absolute paths without commas");
    }
  }
  return { ...options, image };
}

function wrong(type: string, field: string, value: unknown, expected: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", {
    message: `job type ${type} has launch.options.${field} ${JSON.stringify(value)}; expected ${expected}`,
  });
}
