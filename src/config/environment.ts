// The environment variables that override a config: what changes between machines.
import { DURABILITIES, LOG_LEVELS, MillraceError } from "../core/index.ts";
import { SCOPES, type Scope, type TokenOptions } from "../http/index.ts";
import { LOG_FORMATS } from "../runtime/index.ts";
import type { MillraceConfig } from "./define.ts";

/** Where the variables come from: `process.env`, or a test's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Every variable that is read, with what it means. Documented in docs/configuration.md. */
export const ENVIRONMENT_VARIABLES: Readonly<Record<string, string>> = {
  MILLRACE_CONFIG: "Path of the config file.",
  MILLRACE_STORE: 'The store: "sqlite:PATH", "memory:" or "redis://HOST:PORT".',
  MILLRACE_NAMESPACE: "Keeps environments or applications apart within one store.",
  MILLRACE_DURABILITY: `When an enqueue is acknowledged: ${DURABILITIES.join(", ")}.`,
  MILLRACE_BLOBS: 'Where inputs and results are kept that are too large for a job: "dir:PATH".',
  MILLRACE_HOST: "Address that the service listens on.",
  MILLRACE_PORT: "Port that the service listens on.",
  MILLRACE_TOKEN:
    "One token. A service lets in who sends it, as admin; a command sends it to the service.",
  MILLRACE_TOKENS: "More tokens for a service: NAME:SCOPE+SCOPE:TOKEN, with commas between.",
  MILLRACE_UNAUTHENTICATED: '"loopback", or "private-network" where everyone may do everything.',
  MILLRACE_ALLOWED_HOSTS: "Names that requests without a token may use, with commas between.",
  MILLRACE_ALLOWED_ORIGINS: "Web origins whose pages may call the service, with commas between.",
  MILLRACE_LOG_LEVEL: `${LOG_LEVELS.join(", ")} or silent.`,
  MILLRACE_LOG_FORMAT: "json or text; text where standard output is a terminal, else json.",
  MILLRACE_CONCURRENCY: "Most jobs at once in a worker.",
  MILLRACE_QUEUES: "Queues that a worker serves, with commas between.",
  MILLRACE_LABELS: "Labels that a worker offers, with commas between.",
  MILLRACE_SHUTDOWN_GRACE: 'How long a stopping worker lets jobs finish: "25s".',
  MILLRACE_URL: "A service's address: commands then ask it instead of a store.",
};

/**
 * Puts the environment's word over the config's.
 *
 * @throws MillraceError `INVALID_CONFIG` that names the variable
 */
export function applyEnvironment(config: MillraceConfig, environment: Environment): MillraceConfig {
  const text = (name: string): string | undefined => {
    const value = environment[name];
    return value === undefined || value === "" ? undefined : value;
  };
  const list = (name: string): readonly string[] | undefined =>
    text(name)
      ?.split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  const blobs = text("MILLRACE_BLOBS");
  const tokens = readTokens(text("MILLRACE_TOKEN"), list("MILLRACE_TOKENS"));
  return {
    ...config,
    ...defined({
      store: text("MILLRACE_STORE"),
      namespace: text("MILLRACE_NAMESPACE"),
      durability: oneOf("MILLRACE_DURABILITY", text("MILLRACE_DURABILITY"), DURABILITIES),
    }),
    ...(blobs === undefined ? {} : { blobs: { ...config.blobs, store: blobs } }),
    worker: {
      ...config.worker,
      ...defined({
        concurrency: wholeNumber("MILLRACE_CONCURRENCY", text("MILLRACE_CONCURRENCY"), 1, 100_000),
        queues: list("MILLRACE_QUEUES"),
        labels: list("MILLRACE_LABELS"),
        shutdownGrace: text("MILLRACE_SHUTDOWN_GRACE"),
      }),
    },
    http: {
      ...config.http,
      ...defined({
        host: text("MILLRACE_HOST"),
        port: wholeNumber("MILLRACE_PORT", text("MILLRACE_PORT"), 0, 65_535),
        tokens: tokens.length === 0 ? undefined : tokens,
        unauthenticated: oneOf("MILLRACE_UNAUTHENTICATED", text("MILLRACE_UNAUTHENTICATED"), [
          "loopback",
          "private-network",
        ] as const),
        allowedHosts: list("MILLRACE_ALLOWED_HOSTS"),
        allowedOrigins: list("MILLRACE_ALLOWED_ORIGINS"),
      }),
    },
    log: {
      ...config.log,
      ...defined({
        level: oneOf("MILLRACE_LOG_LEVEL", text("MILLRACE_LOG_LEVEL"), [
          ...LOG_LEVELS,
          "silent",
        ] as const),
        format: oneOf("MILLRACE_LOG_FORMAT", text("MILLRACE_LOG_FORMAT"), LOG_FORMATS),
      }),
    },
  };
}

/** An object without the fields that are undefined. */
function defined<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as {
    [Name in keyof Fields]?: Exclude<Fields[Name], undefined>;
  };
}

function wrong(variable: string, value: string, expected: string): MillraceError {
  return new MillraceError("INVALID_CONFIG", {
    message: `${variable} is ${JSON.stringify(value)}; expected ${expected}`,
  });
}

function oneOf<Value extends string>(
  variable: string,
  value: string | undefined,
  allowed: readonly Value[],
): Value | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw wrong(variable, value, `one of ${allowed.join(", ")}`);
  return found;
}

function wholeNumber(
  variable: string,
  value: string | undefined,
  from: number,
  to: number,
): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < from || number > to) {
    throw wrong(variable, value, `a whole number from ${from} to ${to}`);
  }
  return number;
}

function readTokens(
  one: string | undefined,
  more: readonly string[] | undefined,
): readonly TokenOptions[] {
  return [
    ...(one === undefined
      ? []
      : [{ name: "MILLRACE_TOKEN", token: one, scopes: ["admin"] as const }]),
    ...(more ?? []).map(readToken),
  ];
}

function isScope(scope: string): scope is Scope {
  return SCOPES.some((known) => known === scope);
}

function readToken(text: string, index: number): TokenOptions {
  const [name, scopes, ...rest] = text.split(":");
  const token = rest.join(":");
  const granted = scopes?.split("+") ?? [];
  if (name === undefined || name === "" || token === "" || !granted.every(isScope)) {
    // The entry itself is a secret, so it is only counted.
    throw new MillraceError("INVALID_CONFIG", {
      message: `MILLRACE_TOKENS, entry ${index + 1}: expected NAME:SCOPE+SCOPE:TOKEN with scopes of ${SCOPES.join(", ")}`,
    });
  }
  return { name, token, scopes: granted };
}
