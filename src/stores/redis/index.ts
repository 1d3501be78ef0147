// The door of the Redis store: jobs on Redis 7 or later, or Valkey; one server, Sentinel or Cluster.
import type { SharedClock } from "../clock.ts";
import { MillraceError } from "../../core/errors.ts";
import { checkName } from "../../core/limits.ts";
import type { Durability } from "../../core/store-description.ts";
import type { Store } from "../../core/store.ts";
import type { Context } from "./context.ts";
import { checkServers, durabilityOf, readServers } from "./describe.ts";
import { FOLLOWED_SETTING, renew } from "./follow.ts";
import { LAYOUT_VERSION, directoryOf } from "./layout.ts";
import { DEFAULT_DEADLINE_MS, openLink } from "./link/link.ts";
import { createDelivered } from "./delivered.ts";
import { createNonceMaker } from "./link/nonces.ts";
import { ROOM_PATIENCE_MS, firstAnswerMsOf } from "./exchange/patience.ts";
import { checkLayout, openTypes } from "./queues.ts";
import { MAX_PARTITIONS, openRooms } from "./rooms.ts";
import { createRedisStore } from "./store.ts";
import { readRedisUrl } from "./url.ts";

/** Where the Redis store is, and what it promises. */
export interface RedisStoreOptions {
  /**
   * `redis://[user:password@]host:port[/database]`, `rediss://` with TLS, `redis+cluster://host:port,host:port`,
   * `redis+sentinel://host:port,host:port/primary-name`.
   */
  readonly url: string;
  /** Separates applications or environments on one server. */
  readonly namespace: string;
  /**
   * When a call is acknowledged. By default what the servers' own settings give: `memory` without an append-only
   * file, `os` with `appendfsync everysec`, `fsync` with `always`. `replicated` waits for replicas.
   */
  readonly durability?: Durability;
  /** With `replicated`: replicas that must have a write. Default 1. Also in the URL: `?replicas=2`. */
  readonly replicas?: number;
  /**
   * Queues that are cut into so many partitions, so that one hot queue uses more than one primary; `*` stands for all
   * others. Decided when a queue is first used. Also in the URL: `?partitions=mail:4`.
   */
  readonly partitions?: Readonly<Record<string, number>>;
  /** Longest time that a call may take before it fails with `STORE_BUSY`. Default 10 seconds. */
  readonly deadlineMs?: number;
  /**
   * How long an exchange over several partitions or queues waits for those that are silent, once others answered.
   * Default 250 ms: a test that counts on all of them waits longer.
   */
  readonly patienceMs?: number;
  /** A clock that can be moved, for tests; the server's by default. */
  readonly clock?: SharedClock;
}

/** Replicas that durability `replicated` waits for unless told otherwise. */
const DEFAULT_REPLICAS = 1;
/** Stands for every queue that is not named. */
const EVERY_QUEUE = "*";

/**
 * Opens the Redis store. It needs the package `ioredis`, an optional peer of this one.
 *
 * @throws MillraceError `INVALID_CONFIG` for a URL of no known form or a missing `ioredis`; `STORE_MISCONFIGURED` when
 * the server may evict jobs or does not keep the durability asked for; `STORE_VERSION` for a server older than 7.0 or
 * a namespace of another layout; `STORE_FAILED` when there is no connection
 * @example
 * const store = await openRedisStore({ url: "redis://127.0.0.1:6379", namespace: "default" });
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const namespace = checkName(options.namespace, "namespace");
  const location = readRedisUrl(options.url);
  const partitions = checkPartitions({ ...location.partitions, ...options.partitions });
  const link = await openLink({
    location,
    replicas:
      options.durability === "replicated"
        ? (options.replicas ?? location.replicas ?? DEFAULT_REPLICAS)
        : 0,
    deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS,
    connectionName: "millrace",
    clock: options.clock,
  });
  try {
    const servers = await readServers(link);
    checkServers(servers, options.durability, location);
    const directory = directoryOf(namespace);
    const patienceMs = options.patienceMs ?? ROOM_PATIENCE_MS;
    await checkLayout(link, namespace, LAYOUT_VERSION);
    const context: Context = {
      link,
      namespace,
      directory,
      rooms: openRooms({
        link,
        namespace,
        directory,
        partitionsOf: (queue, isWhole) =>
          partitions[queue] ?? (isWhole ? 1 : (partitions[EVERY_QUEUE] ?? 1)),
        onNew: async (rooms) => {
          const until = await link.command("hget", [directory.settings, FOLLOWED_SETTING]);
          if (Number(until ?? 0) < Date.now()) return;
          await Promise.all(rooms.map((room) => renew({ link }, room)));
        },
      }),
      nextNonce: createNonceMaker(),
      delivered: createDelivered(link),
      types: openTypes(link, directory, patienceMs),
      patienceMs,
      firstAnswerMs: firstAnswerMsOf(patienceMs, link.isCluster),
    };
    const durability = options.durability ?? durabilityOf(servers);
    return createRedisStore({ context, location, durability, clock: options.clock });
  } catch (error) {
    link.close();
    throw error;
  }
}

function checkPartitions(
  partitions: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  for (const [queue, count] of Object.entries(partitions)) {
    if (queue !== EVERY_QUEUE) checkName(queue, "partitions");
    if (!Number.isInteger(count) || count < 1 || count > MAX_PARTITIONS) {
      throw new MillraceError("INVALID_CONFIG", {
        message: `partitions of ${queue} is ${String(count)}; expected a whole number from 1 to ${MAX_PARTITIONS}`,
      });
    }
  }
  return partitions;
}
