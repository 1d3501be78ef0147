// Reads a BullMQ store's URL: that of the Redis store with `bullmq+` before it, and BullMQ's own prefix.
import { MillraceError } from "../../core/errors.ts";
import { type RedisLocation, describeLocation, readRedisUrl } from "../redis/url.ts";

/** Where BullMQ's queues are. */
export interface BullmqLocation {
  readonly redis: RedisLocation;
  /** What BullMQ calls the prefix. On a Cluster it has a hash tag, so that a queue's keys share a slot. */
  readonly prefix: string;
}

/** BullMQ's own default. */
const DEFAULT_PREFIX = "bull";
const FORM = /^bullmq\+(?<redis>rediss?(?:\+cluster|\+sentinel)?:\/\/.*)$/;
const PREFIX_FORM = /^[A-Za-z0-9._:{}-]{1,128}$/;
const TAG_FORM = /\{[^{}]+\}/;

/**
 * Reads a URL: `bullmq+redis://host:port[/database][?prefix=bull]`, `bullmq+rediss://`, `bullmq+redis+cluster://`,
 * `bullmq+redis+sentinel://`.
 *
 * @throws MillraceError `INVALID_CONFIG`
 */
export function readBullmqUrl(url: string): BullmqLocation {
  const redisUrl = FORM.exec(url)?.groups?.["redis"];
  if (redisUrl === undefined) {
    throw new MillraceError("INVALID_CONFIG", {
      message:
        "the store URL is none of bullmq+redis://, bullmq+rediss://, bullmq+redis+cluster:// and bullmq+redis+sentinel://",
    });
  }
  const [address = "", query = ""] = redisUrl.split("?");
  const parameters = new URLSearchParams(query);
  const asked = parameters.get("prefix");
  parameters.delete("prefix");
  for (const name of ["partitions", "replicas"]) {
    if (!parameters.has(name)) continue;
    throw new MillraceError("INVALID_CONFIG", {
      message: `the store URL has a parameter "${name}", which is redis://'s own: BullMQ has none of it`,
    });
  }
  const redis = readRedisUrl(
    parameters.size === 0 ? address : `${address}?${parameters.toString()}`,
  );
  const isCluster = redis.form === "cluster";
  const prefix = asked ?? (isCluster ? `{${DEFAULT_PREFIX}}` : DEFAULT_PREFIX);
  if (!PREFIX_FORM.test(prefix)) {
    throw new MillraceError("INVALID_CONFIG", {
      message: `prefix is ${JSON.stringify(prefix)}; expected letters, digits and . _ : - { }, as BullMQ's own option`,
    });
  }
  if (isCluster && !TAG_FORM.test(prefix)) {
    throw new MillraceError("INVALID_CONFIG", {
      message: `prefix is ${JSON.stringify(prefix)}; on a Cluster it needs a hash tag, as {${prefix}}: BullMQ's scripts use many keys, which must be in one slot`,
    });
  }
  return { redis, prefix };
}

/** A location as it may be shown: without credentials. */
export function describeBullmqLocation({ redis, prefix }: BullmqLocation): string {
  return `bullmq+${describeLocation(redis)}?prefix=${prefix}`;
}
