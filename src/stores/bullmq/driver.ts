// Loads BullMQ, which is an optional part, and makes the connections that its scripts run on.
import type * as Bullmq from "bullmq";
import { MillraceError } from "../../core/errors.ts";
import { type Redis, loadDriver as loadRedis } from "../redis/link/connect.ts";
import type { RedisLocation } from "../redis/url.ts";

/** What is used of the two packages. */
export interface Driver {
  readonly bullmq: typeof Bullmq;
  readonly Redis: typeof Redis;
}

/**
 * Loads BullMQ and ioredis.
 *
 * @throws MillraceError `INVALID_CONFIG`
 */
export async function loadDriver(): Promise<Driver> {
  const { Redis } = await loadRedis();
  try {
    return { bullmq: await import("bullmq"), Redis };
  } catch (cause) {
    throw new MillraceError("INVALID_CONFIG", {
      message: "a BullMQ store needs the package bullmq: npm install bullmq@6",
      cause,
    });
  }
}

const CONNECT_TIMEOUT_MS = 3_000;
/** A connection with an unanswered command that is silent for so long is given up. */
const SILENCE_MS = 3_000;

/**
 * Connects to the one server that has the keys: of a Cluster the primary of the prefix's slot. What is under way when
 * the connection is lost is rejected and never sent again: only so does a watched key guard what follows it.
 */
export async function dial(
  { Redis: Client }: Driver,
  location: RedisLocation,
  key: string,
  name: string,
  isBlocking = false,
): Promise<Redis> {
  const open = async (place: object): Promise<Redis> => {
    const client = new Client({
      ...credentialsOf(location),
      ...place,
      connectionName: name,
      lazyConnect: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...(isBlocking ? {} : { socketTimeout: SILENCE_MS }),
      maxRetriesPerRequest: null,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
      protocol: 2,
    });
    // Errors show in the calls that fail by them; without a listener they would end the process.
    client.on("error", () => {});
    try {
      await client.connect();
    } catch (error) {
      client.disconnect();
      throw error;
    }
    return client;
  };
  if (location.form === "cluster") return dialOwner(open, location, key);
  if (location.form === "sentinel") return open(sentinelOf(location));
  return open({ ...location.addresses[0], db: location.database });
}

/** Asks the nodes, one after the other, who has the slot. */
async function dialOwner(
  open: (place: object) => Promise<Redis>,
  location: RedisLocation,
  key: string,
): Promise<Redis> {
  let last: unknown = new Error("no node of the cluster is known");
  for (const address of location.addresses) {
    try {
      const node = await open(address);
      try {
        const slot = Number(await node.call("CLUSTER", "KEYSLOT", key));
        const ranges = (await node.call("CLUSTER", "SLOTS")) as [
          number,
          number,
          [string, number],
        ][];
        const range = ranges.find(([from, to]) => from <= slot && slot <= to);
        if (range === undefined) throw new Error(`CLUSTERDOWN no primary has slot ${slot}`);
        const [host, port] = range[2];
        return await open({ host: host === "" ? address.host : host, port });
      } finally {
        node.disconnect();
      }
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

function sentinelOf({
  addresses,
  primary,
  sentinelPassword,
  isEncrypted,
  database,
}: RedisLocation) {
  return {
    sentinels: [...addresses],
    db: database,
    enableTLSForSentinelMode: isEncrypted,
    ...(isEncrypted ? { sentinelTLS: {} } : {}),
    sentinelRetryStrategy: () => null,
    ...(primary === undefined ? {} : { name: primary }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
  };
}

function credentialsOf({ username, password, isEncrypted }: RedisLocation) {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(isEncrypted ? { tls: {} } : {}),
  };
}
