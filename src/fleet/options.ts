// What the owner of a fleet says of it, checked.
import {
  type OptionNames,
  checkList,
  checkObject,
  checkOptions,
  checkTexts,
} from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";
import { parseCommand } from "../processes/index.ts";
import type { Command, CommandTemplate } from "../processes/index.ts";
import { CHECK_NAMES, MEMBER_PLACEHOLDERS, READINESS_NAMES, checkProbe } from "./readiness.ts";
import type { HealthCheck, Readiness } from "./readiness.ts";
import {
  HEALTH_NAMES,
  MAX_MEMBERS,
  POLICY_NAMES,
  readPolicy,
  wholeNumber,
} from "./supervisor/policy.ts";
import type { FleetPolicy, PolicyOptions } from "./supervisor/policy.ts";

/** A fleet of one program. */
export interface FleetOptions extends PolicyOptions {
  /**
   * The program and its arguments, without a shell. `{id}` is the member's number from 1, `{port}`
   * its port, `{start}` which start of this member it is, from 1.
   */
  readonly command: Command;
  /** Members to keep running. */
  readonly size: number;
  readonly cwd?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Names handed down from this process's environment, besides {@link DEFAULT_INHERITED_ENV}. */
  readonly inheritEnv?: readonly string[];
  /** `"free"` gives each start a port that nothing listens on; `{ from: 3001 }` gives member 1 port 3001, and so on. */
  readonly ports?: "free" | { readonly from: number };
  /** How a member shows that it is ready. Default `"tcp"`. */
  readonly ready?: Readiness;
  /** Regular checks of ready members. None by default. */
  readonly health?: PolicyOptions["health"] & { readonly check?: HealthCheck };
  /** Bytes of standard output, and as many of standard error, that are kept of each member. Default 16,384. */
  readonly outputBytes?: number;
}

const PORTS_NAMES: OptionNames<Exclude<FleetOptions["ports"], string | undefined>> = { from: true };

/** The names of what is said of a fleet. Its environment may have any. */
export const FLEET_NAMES: OptionNames<FleetOptions> = {
  ...POLICY_NAMES,
  command: true,
  size: true,
  cwd: true,
  env: true,
  inheritEnv: true,
  ports: PORTS_NAMES,
  ready: READINESS_NAMES,
  health: { ...HEALTH_NAMES, check: CHECK_NAMES },
  outputBytes: true,
};

/** The same, complete. */
export interface FleetSettings {
  readonly command: CommandTemplate;
  readonly policy: FleetPolicy;
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly firstPort: number | undefined;
  readonly ready: Readiness;
  readonly check: HealthCheck;
  readonly outputBytes: number;
}

/**
 * What a program needs to find itself in the world. Everything else stays here unless it is named:
 * a supervisor's environment is where its secrets are.
 */
export const DEFAULT_INHERITED_ENV: readonly string[] = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "TZ",
  "TMPDIR",
];

/** Enough for the last words of a program that crashed; 1,000 members hold 32 MiB of it at most. */
const DEFAULT_OUTPUT_BYTES = 16_384;
const MAX_OUTPUT_BYTES = 16 * 1_024 * 1_024;
const HIGHEST_PORT = 65_535;

/**
 * Checks and completes the options.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 */
export function readFleetOptions(options: FleetOptions): FleetSettings {
  const { ports = "free", ready = "tcp", health } = checkOptions(options, "options", FLEET_NAMES);
  wholeNumber(options.size, "size", 0, MAX_MEMBERS);
  checkProbe(ready);
  checkProbe(health?.check ?? "tcp");
  const firstPort = ports === "free" ? undefined : checkObject(ports, "ports").from;
  if (firstPort !== undefined) {
    wholeNumber(firstPort, "ports.from", 1, HIGHEST_PORT + 1 - Math.max(1, options.size));
  }
  const outputBytes = options.outputBytes ?? DEFAULT_OUTPUT_BYTES;
  return {
    command: parseCommand(options.command, MEMBER_PLACEHOLDERS),
    policy: readPolicy(options),
    cwd: options.cwd,
    env: environment(options),
    firstPort,
    ready,
    check: health?.check ?? "tcp",
    outputBytes: wholeNumber(outputBytes, "outputBytes", 1, MAX_OUTPUT_BYTES),
  };
}

/**
 * Checks the options of a fleet without starting anything.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION`
 */
export function checkFleetOptions(options: FleetOptions): void {
  readFleetOptions(options);
}

function environment({ env = {}, inheritEnv = [] }: FleetOptions): Record<string, string> {
  const inherited = [
    ...DEFAULT_INHERITED_ENV,
    ...checkList(inheritEnv, "inheritEnv", "names"),
  ].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const all = { ...Object.fromEntries(inherited), ...checkObject(env, "env") };
  checkTexts(all);
  for (const [name, value] of Object.entries(all)) {
    if (!name.includes("=") && !name.includes("\0") && !value.includes("\0")) continue;
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `the environment entry ${JSON.stringify(name)} holds "=" in its name or a NUL byte; expected neither`,
    });
  }
  return all;
}
