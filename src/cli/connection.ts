// What a command works against: a store, opened here, or a service, by URL and token.
import { type Command, Option } from "commander";
import type { MillraceConfig } from "../config/index.ts";
import {
  type AnyJobType,
  MillraceError,
  type Store,
  checkName,
  isMillraceError,
  withoutCredentials,
} from "../core/index.ts";
import type { Millrace, Operations } from "../runtime/index.ts";

/** The options that every command has which asks a store or a service. */
export interface ConnectionOptions {
  readonly url?: string;
  readonly token?: string;
  readonly store?: string;
  readonly namespace?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Operations, and how to let go of them. */
export interface Connection extends AsyncDisposable {
  readonly operations: Operations;
  /** For headings: the service's URL or the store's, without credentials. */
  readonly where: string;
}

/** Adds the options for a store, and for a config. */
export function withStoreOptions(command: Command): Command {
  return command
    .addOption(new Option("--config <path>", "config file").env("MILLRACE_CONFIG"))
    .addOption(new Option("--store <url>", 'store, such as "sqlite:millrace.db"'))
    .addOption(new Option("--namespace <name>", "namespace within the store"));
}

/** Adds the options of {@link ConnectionOptions}. */
export function withConnectionOptions(command: Command): Command {
  return withStoreOptions(command)
    .addOption(new Option("--url <url>", "ask a service instead of a store (MILLRACE_URL)"))
    .addOption(new Option("--token <token>", "the service's token (better: MILLRACE_TOKEN)"))
    .addOption(new Option("--json", "print JSON, for programs"));
}

/** Reads the config of the working directory, with the options' word over it. */
export async function readConfig(options: ConnectionOptions): Promise<MillraceConfig> {
  const { loadConfig } = await import("../config/index.ts");
  const { config } = await loadConfig({
    directory: process.cwd(),
    environment: process.env,
    ...(options.config === undefined ? {} : { path: options.config }),
  });
  return {
    ...config,
    ...(options.store === undefined ? {} : { store: options.store }),
    ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
  };
}

/**
 * Opens what a command works against.
 *
 * @param whereMissing - what becomes of a store that is not there yet: it is refused, so that a wrong directory is told
 * rather than answered with emptiness; it is created; or it is left so, for what needs the config's types and no more
 *
 * @throws MillraceError of the config, the store or the service
 */
export async function connect(
  options: ConnectionOptions,
  { whereMissing = "refuse" }: { readonly whereMissing?: "refuse" | "create" | "leave" } = {},
): Promise<Connection> {
  const url = serviceOf(options);
  if (url !== null) {
    const token = options.token ?? process.env["MILLRACE_TOKEN"];
    const { createHttpOperations } = await import("../http/index.ts");
    // A command that is ended waits for no answer any more.
    const ended = new AbortController();
    const operations = createHttpOperations({
      url,
      signal: ended.signal,
      ...(token === undefined || token === "" ? {} : { token }),
    });
    return { operations, where: url, [Symbol.asyncDispose]: async () => ended.abort() };
  }
  const config = await readConfig(options);
  const runtime = await import("../runtime/index.ts");
  const { DEFAULT_STORE_URL, MEMORY_STORE_URL, isMissingFile, openStore } = runtime;
  const { store: where = DEFAULT_STORE_URL, namespace = "default", durability, jobs = [] } = config;
  const isMissing = isMissingFile(where);
  if (isMissing && whereMissing === "refuse") throw missing(where);
  const store = await openStore({
    url: isMissing && whereMissing === "leave" ? MEMORY_STORE_URL : where,
    namespace: checkName(namespace, "namespace"),
    ...(durability === undefined ? {} : { durability }),
  });
  try {
    const operations = await openOn(declaringOnlyNew(store), namespace, jobs);
    const close = async (): Promise<void> => {
      try {
        await operations.close();
      } finally {
        await store.close();
      }
    };
    return { operations, where: withoutCredentials(where), [Symbol.asyncDispose]: close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openOn(
  store: Store,
  namespace: string,
  jobs: readonly AnyJobType[],
): Promise<Millrace> {
  const { openMillrace } = await import("../millrace/index.ts");
  const { silentLogger } = await import("../runtime/index.ts");
  const open = (known: readonly AnyJobType[]): Promise<Millrace> =>
    openMillrace({ store, namespace, jobs: known, logger: silentLogger });
  try {
    return await open(jobs);
  } catch (thrown) {
    // A command runs nothing: a store that can't keep the config's workflows can still be asked.
    if (!isMillraceError(thrown, "UNSUPPORTED")) throw thrown;
    return open(jobs.filter((type) => type.workflow === undefined));
  }
}

/**
 * A command runs nothing, and its config may be older than what does: limits, retention and whatever else is declared of
 * a type that the store knows stay as they are.
 */
function declaringOnlyNew(store: Store): Store {
  const putTypes: Store["putTypes"] = async ({ types }) => {
    const known = new Set((await store.types()).map(({ name }) => name));
    const unknown = types.filter(({ name }) => !known.has(name));
    if (unknown.length > 0) await store.putTypes({ types: unknown });
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "putTypes") return putTypes;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

/**
 * The service to ask, if not a store. What was typed counts more than the environment: a store named by `--store` is
 * never passed over for MILLRACE_URL.
 */
function serviceOf({ url, store }: ConnectionOptions): string | null {
  if (url !== undefined && store !== undefined) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: "--url and --store are two places to ask; say one of them",
    });
  }
  const service = url ?? (store === undefined ? process.env["MILLRACE_URL"] : undefined);
  return service === undefined || service === "" ? null : service;
}

function missing(store: string): MillraceError {
  return new MillraceError("STORE_FAILED", {
    message: `there is no store at ${store} yet. Run millrace start here, or say where it is by --store, --url or a config`,
  });
}
