// The door of the BullMQ store: jobs as ordinary BullMQ jobs in ordinary BullMQ queues.
import { checkName } from "../../core/limits.ts";
import { MillraceError } from "../../core/errors.ts";
import type { Durability } from "../../core/store-description.ts";
import type { Store } from "../../core/store.ts";
import type { SharedClock } from "../clock.ts";
import { checkServers, durabilityOf } from "../redis/describe.ts";
import type { Context } from "./context.ts";
import { readServer } from "./describe.ts";
import { loadDriver } from "./driver.ts";
import { keysOf } from "./keys.ts";
import { openLink } from "./link.ts";
import { createBullmqStore } from "./store.ts";
import { readBullmqUrl } from "./url.ts";

/** Where the BullMQ store is. */
export interface BullmqStoreOptions {
  /**
   * `bullmq+redis://[user:password@]host:port[/database][?prefix=bull]`, `bullmq+rediss://` with TLS,
   * `bullmq+redis+cluster://host:port,host:port`, `bullmq+redis+sentinel://host:port,host:port/primary-name`.
   */
  readonly url: string;
  /** `default` uses BullMQ's prefix as it is; any other is added to it. */
  readonly namespace: string;
  /** What the server's own settings must give; what they give by default. */
  readonly durability?: Durability;
  /** Longest time that a call may take before it fails with `STORE_BUSY`. Default 10 seconds. */
  readonly deadlineMs?: number;
  /** For tests: by how much the process's clock was moved, for the thread that keeps leases. */
  readonly clock?: SharedClock;
}

/**
 * Opens the BullMQ store. It needs the packages `bullmq` and `ioredis`, optional peers of this one.
 *
 * @throws MillraceError `INVALID_CONFIG` for a URL of no known form or a missing package; `STORE_MISCONFIGURED` when
 * the server may evict jobs or does not keep the durability asked for; `STORE_VERSION` for a server older than 7.0;
 * `STORE_FAILED` when there is no connection; `UNSUPPORTED` for durability `replicated`
 * @example
 * const store = await openBullmqStore({ url: "bullmq+redis://127.0.0.1:6379", namespace: "default" });
 */
export async function openBullmqStore(options: BullmqStoreOptions): Promise<Store> {
  const namespace = checkName(options.namespace, "namespace");
  const location = readBullmqUrl(options.url);
  if (options.durability === "replicated") {
    throw new MillraceError("UNSUPPORTED", {
      message:
        'durability "replicated" needs a store that waits for its replicas, and BullMQ does not: use redis://, or ask for "fsync"',
    });
  }
  const keys = keysOf(location.prefix, namespace);
  const link = await openLink(await loadDriver(), location, keys, options.deadlineMs);
  try {
    const server = await readServer(link);
    checkServers([server], options.durability, location.redis);
    const context: Context = { link, namespace, held: new Map(), knownQueues: new Set() };
    return createBullmqStore(context, options.durability ?? durabilityOf([server]), options.clock);
  } catch (error) {
    link.close();
    throw error;
  }
}
