// Makes connections by ioredis, which is an optional part: it is loaded when a Redis store is opened.
import type * as Ioredis from "ioredis";
import type { Cluster, Redis } from "ioredis";
import { MillraceError } from "../../../core/errors.ts";
import type { Address, RedisLocation } from "../url.ts";

export type { ChainableCommander, Redis } from "ioredis";

/** What is used of ioredis. */
export type Driver = Pick<typeof Ioredis, "Redis" | "Cluster" | "Command">;

/**
 * Loads ioredis.
 *
 * @throws MillraceError `INVALID_CONFIG`
 */
export async function loadDriver(): Promise<Driver> {
  try {
    return await import("ioredis");
  } catch (cause) {
    throw new MillraceError("INVALID_CONFIG", {
      message: "a Redis store needs the package ioredis: npm install ioredis@6",
      cause,
    });
  }
}

/** A connection with an unanswered command that is silent for so long is given up and made anew. */
const SILENCE_MS = 3_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** Wait before a lost connection is made again: at most this, with full jitter, growing from the least. */
const LONGEST_RECONNECT_MS = 500;
const LEAST_RECONNECT_MS = 20;
/**
 * How often a server that loads its data is looked at. The driver would believe the server's own estimate and look
 * again after up to ten seconds, however soon it is done.
 */
const LOADING_LOOK_MS = 250;
/** How often a Cluster's client looks at the slots unasked. */
const SLOTS_REFRESH_MS = 5_000;

/** Connects for script calls. Nothing is queued while there is no connection: whoever calls tries again. */
export function connect(driver: Driver, location: RedisLocation, name: string): Redis | Cluster {
  return quiet(make(driver, location, { connectionName: name, socketTimeout: SILENCE_MS }));
}

/**
 * Connects for subscriptions, which are made again by themselves after a loss. Messages of a Cluster come by any of its
 * nodes, each time by another: the driver's own subscriber tells nobody that it was away, and keeps to a node that is
 * silent.
 *
 * @param nodes the nodes of a Cluster as they are now
 */
export function connectSubscriber(
  driver: Driver,
  location: RedisLocation,
  name: string,
  nodes: () => readonly Address[],
): Redis {
  const extra = { connectionName: name, socketTimeout: SILENCE_MS };
  if (location.form !== "cluster") return quiet(makeOne(driver, location, extra, true));
  const client = new driver.Redis({
    ...nodeOptions(location, extra, true),
    ...oneOf(nodes(), location.addresses),
    retryStrategy: (times) => {
      Object.assign(client.options, oneOf(nodes(), location.addresses));
      return reconnectDelayMs(times);
    },
  });
  return quiet(client);
}

/** Connects to one node, and does not come back when the connection is lost. */
export function connectOnce(
  driver: Driver,
  location: RedisLocation,
  name: string,
  address: Address,
): Redis {
  const extra = { connectionName: name, socketTimeout: SILENCE_MS };
  const options = { ...nodeOptions(location, extra, true), ...address };
  return quiet(new driver.Redis({ ...options, retryStrategy: () => null }));
}

function oneOf(nodes: readonly Address[], others: readonly Address[]): Address | undefined {
  const choice = nodes.length > 0 ? nodes : others;
  return choice[Math.floor(Math.random() * choice.length)];
}

/** Errors of a connection show in the calls that fail by them; without a listener they would end the process. */
function quiet<Client extends Redis | Cluster>(client: Client): Client {
  client.on("error", () => {});
  return client;
}

interface Extra {
  readonly connectionName: string;
  readonly socketTimeout: number;
}

function make(driver: Driver, location: RedisLocation, extra: Extra): Redis | Cluster {
  if (location.form !== "cluster") return makeOne(driver, location, extra, false);
  return new driver.Cluster([...location.addresses], {
    redisOptions: nodeOptions(location, extra, false),
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectDelayMs,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    retryDelayOnTryAgain: LEAST_RECONNECT_MS,
    retryDelayOnFailover: LEAST_RECONNECT_MS * 5,
    retryDelayOnClusterDown: LEAST_RECONNECT_MS * 5,
  });
}

/** A connection to the one server, or to the one that the sentinels name. */
function makeOne(
  driver: Driver,
  location: RedisLocation,
  extra: Extra,
  isQueueing: boolean,
): Redis {
  const { form, addresses, database: db } = location;
  const single = {
    ...nodeOptions(location, extra, isQueueing),
    db,
    enableOfflineQueue: isQueueing,
    retryStrategy: reconnectDelayMs,
    reconnectOnError: createReadonlyCheck(),
  };
  if (form === "sentinel") {
    return new driver.Redis({
      ...single,
      sentinels: [...addresses],
      ...(location.primary === undefined ? {} : { name: location.primary }),
      ...(location.sentinelPassword === undefined
        ? {}
        : { sentinelPassword: location.sentinelPassword }),
      enableTLSForSentinelMode: location.isEncrypted,
      ...(location.isEncrypted ? { sentinelTLS: {} } : {}),
      // No failover detector: it closes a connection that is just being made, and ioredis 6 takes that for its end. A
      // primary that was replaced shows by a closed connection, by silence, or by READONLY.
      sentinelRetryStrategy: reconnectDelayMs,
    });
  }
  const [address = { host: "localhost", port: 6_379 }] = addresses;
  return new driver.Redis({ ...single, ...address });
}

/** Options of a connection to one server, whatever the form. */
function nodeOptions(location: RedisLocation, extra: Extra, isQueueing: boolean) {
  return {
    ...extra,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxLoadingRetryTime: LOADING_LOOK_MS,
    // What was sent and not answered when the connection broke fails at once, and is sent again by its caller, who
    // knows until when that makes sense. With no bound (`null`) and nothing sent again, it would never settle.
    maxRetriesPerRequest: isQueueing ? null : 0,
    autoResendUnfulfilledCommands: isQueueing,
    protocol: 2 as const,
    ...(location.username === undefined ? {} : { username: location.username }),
    ...(location.password === undefined ? {} : { password: location.password }),
    ...(location.isEncrypted ? { tls: {} } : {}),
  };
}

/**
 * A primary that was made a replica answers READONLY: the address may lead to the new one. One answer of many calls is
 * enough, for the driver would break the connection once for each.
 */
function createReadonlyCheck(): (error: Error) => boolean {
  let lastAtMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (!error.message.startsWith("READONLY")) return false;
    if (performance.now() - lastAtMs < LEAST_RECONNECT_MS) return false;
    lastAtMs = performance.now();
    return true;
  };
}

function reconnectDelayMs(times: number): number {
  const most = Math.min(LEAST_RECONNECT_MS * 2 ** Math.min(times, 10), LONGEST_RECONNECT_MS);
  return LEAST_RECONNECT_MS + Math.round(Math.random() * most);
}
