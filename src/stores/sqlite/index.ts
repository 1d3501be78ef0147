// The door of the embedded store: jobs in one SQLite file, or in memory.
import { checkName } from "../../core/limits.ts";
import type { Store } from "../../core/store.ts";
import type { Durability } from "../../core/store-description.ts";
import type { SharedClock } from "../clock.ts";
import { Caller, createStore } from "./thread/proxy.ts";

/** Where the embedded store is, and what it promises. */
export interface SqliteStoreOptions {
  /** A file, made when it is not there, on a local disk; or `":memory:"`. */
  readonly path: string;
  /** Separates applications or environments in one file. */
  readonly namespace: string;
  /** When a call is acknowledged; `fsync` by default. */
  readonly durability?: Exclude<Durability, "replicated">;
  /** A clock that can be moved, for tests; the system's by default. */
  readonly clock?: SharedClock;
}

/**
 * Opens the embedded store. Several processes of one machine may open one file.
 *
 * @throws MillraceError `INVALID_ARGUMENT`; `STORE_VERSION` when a newer version wrote the file; `STORE_MISCONFIGURED`
 * when it is another program's; `STORE_FAILED` when it can't be opened
 * @example
 * const store = await openSqliteStore({ path: "millrace.db", namespace: "default" });
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  checkName(options.namespace, "namespace");
  const engineOptions = {
    path: options.path,
    namespace: options.namespace,
    durability: options.durability ?? "fsync",
    ...(options.clock === undefined ? {} : { clock: { offset: options.clock.offset } }),
  } as const;
  const caller = new Caller();
  await caller.open(engineOptions);
  return createStore(caller, engineOptions);
}
