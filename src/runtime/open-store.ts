// Opens the store that a URL names. Each store's module is loaded only when it is asked for.
import { existsSync } from "node:fs";
import { tellValue, wrongArgument } from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";
import { DURABILITIES, type Durability } from "../core/store-description.ts";
import type { Store } from "../core/store.ts";

/** Where a store is and how it is used. */
export interface OpenStoreOptions {
  readonly url: string;
  readonly namespace: string;
  readonly durability?: Durability;
}

/** The store of the first run: a file in the working directory. */
export const DEFAULT_STORE_URL = "sqlite:millrace.db";
const FILE_PREFIX = "sqlite:";
/** A store that ends with the process that opened it. */
export const MEMORY_STORE_URL = "memory:";

/** Whether a URL names a file that is not there: opening it would make one, and find it empty. */
export function isMissingFile(url: string): boolean {
  return url.startsWith(FILE_PREFIX) && !existsSync(url.slice(FILE_PREFIX.length));
}

/**
 * Opens a store.
 *
 * @throws MillraceError `INVALID_CONFIG` for a URL of no known form, and whatever that store's opening throws
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { url, durability } = options;
  if (typeof url !== "string") throw unknownStore(url);
  if (durability !== undefined && !DURABILITIES.includes(durability)) {
    throw wrongArgument("durability", durability, DURABILITIES.join(", "));
  }
  if (url === MEMORY_STORE_URL) return openSqlite(":memory:", options);
  if (url.startsWith(FILE_PREFIX) && url.length > FILE_PREFIX.length) {
    return openSqlite(url.slice(FILE_PREFIX.length), options);
  }
  if (/^rediss?(\+cluster|\+sentinel)?:/.test(url)) return openRedis(options);
  if (url.startsWith("bullmq+")) return openBullmq(options);
  throw unknownStore(url);
}

function unknownStore(url: unknown): MillraceError {
  return new MillraceError("INVALID_CONFIG", {
    message: `store is ${tellValue(url)}; expected "sqlite:PATH", "memory:" or "redis://HOST:PORT" (rediss://, redis+cluster://, redis+sentinel://), or any of the latter with "bullmq+" before it`,
  });
}

async function openSqlite(path: string, options: OpenStoreOptions): Promise<Store> {
  const { namespace, durability } = options;
  if (durability === "replicated") {
    throw new MillraceError("UNSUPPORTED", {
      message:
        'durability "replicated" needs a store with replicas; the embedded one offers "fsync" (the default), "os" and "memory"',
    });
  }
  const { openSqliteStore } = await import("../stores/sqlite/index.ts");
  return openSqliteStore({
    path,
    namespace,
    ...(durability === undefined ? {} : { durability }),
  });
}

async function openRedis(options: OpenStoreOptions): Promise<Store> {
  const { openRedisStore } = await import("../stores/redis/index.ts");
  return openRedisStore(options);
}

async function openBullmq(options: OpenStoreOptions): Promise<Store> {
  const { openBullmqStore } = await import("../stores/bullmq/index.ts");
  return openBullmqStore(options);
}
