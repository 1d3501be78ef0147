// What the store says of itself: the servers' settings, and what can be lost under them.
import type { Cluster, Redis } from "ioredis";
import { MillraceError } from "../../core/errors.ts";
import type { Durability, Finding, StoreDescription } from "../../core/store-description.ts";
import { type Context, storeNowMs } from "./context.ts";
import { LAYOUT_VERSION } from "./layout.ts";
import type { Link } from "./link/link.ts";
import { type RedisLocation, describeLocation } from "./url.ts";

/** First version with `#!lua` flags and sharded records' commands. */
const LEAST_MAJOR_VERSION = 7;

/** Settings of one server that matter to jobs. */
export interface ServerFacts {
  readonly version: string;
  readonly role: string;
  readonly isPersistent: boolean;
  /** `always`, `everysec`, `no`, or empty where it can't be told. */
  readonly appendfsync: string;
  readonly hasSnapshots: boolean;
  readonly evictionPolicy: string;
  readonly maxMemoryBytes: number;
  readonly usedMemoryBytes: number;
  /** Of these, what replicas and the append-only file wait for, which the bound does not count. */
  readonly uncountedMemoryBytes: number;
  readonly connectedReplicas: number;
  readonly lastWriteFailed: boolean;
}

/** Reads the facts of every primary. */
export async function readServers(link: Link): Promise<readonly ServerFacts[]> {
  const { client } = link;
  const nodes = "nodes" in client ? client.nodes("master") : [client];
  return Promise.all(nodes.map((node) => readFacts(node, link.limit.bind(link))));
}

/** A deadline for a call. */
type Limit = <Value>(promise: Promise<Value>) => Promise<Value>;

/** Reads the facts of one server. */
export async function readFacts(node: Redis | Cluster, limit: Limit): Promise<ServerFacts> {
  const info = readInfo(await limit(node.info()));
  const appendfsync = await readConfig(limit, node, "appendfsync");
  const save = await readConfig(limit, node, "save");
  return {
    version: info.get("valkey_version") ?? info.get("redis_version") ?? "",
    role: info.get("role") ?? "",
    isPersistent: info.get("aof_enabled") === "1",
    appendfsync,
    hasSnapshots: save !== "",
    evictionPolicy: info.get("maxmemory_policy") ?? "",
    maxMemoryBytes: Number(info.get("maxmemory") ?? 0),
    usedMemoryBytes: Number(info.get("used_memory") ?? 0),
    uncountedMemoryBytes: Number(info.get("mem_not_counted_for_evict") ?? 0),
    connectedReplicas: Number(info.get("connected_slaves") ?? 0),
    lastWriteFailed:
      info.get("aof_last_write_status") === "err" || info.get("rdb_last_bgsave_status") === "err",
  };
}

/** Hosted servers often forbid CONFIG: then the setting is not known. */
async function readConfig(limit: Limit, node: Redis | Cluster, name: string): Promise<string> {
  try {
    const found = await limit(node.config("GET", name));
    return Array.isArray(found) ? (found[1] ?? "") : "";
  } catch {
    return "";
  }
}

function readInfo(text: string): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) facts.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return facts;
}

/** What the servers' own settings promise. */
export function durabilityOf(servers: readonly ServerFacts[]): Durability {
  if (servers.length === 0 || servers.some(({ isPersistent }) => !isPersistent)) return "memory";
  return servers.every(({ appendfsync }) => appendfsync === "always") ? "fsync" : "os";
}

/**
 * Refuses servers that would lose jobs, or can't run the scripts.
 *
 * @throws MillraceError `STORE_MISCONFIGURED`, `STORE_VERSION`
 */
export function checkServers(
  servers: readonly ServerFacts[],
  wanted: Durability | undefined,
  location: RedisLocation,
): void {
  const where = describeLocation(location);
  for (const { version, evictionPolicy } of servers) {
    if (Number.parseInt(version, 10) < LEAST_MAJOR_VERSION) {
      throw new MillraceError("STORE_VERSION", {
        message: `${where} is version ${version}; Redis 7.0 or later, or Valkey, is needed`,
      });
    }
    if (evictionPolicy !== "" && evictionPolicy !== "noeviction") {
      throw new MillraceError("STORE_MISCONFIGURED", {
        message: `${where} has maxmemory-policy ${evictionPolicy}, which removes jobs when memory is full; set it to noeviction: CONFIG SET maxmemory-policy noeviction, and in the server's configuration file`,
        details: { evictionPolicy },
      });
    }
  }
  const own = durabilityOf(servers);
  const order: readonly Durability[] = ["memory", "os", "fsync"];
  if (wanted !== undefined && order.indexOf(wanted) > order.indexOf(own)) {
    throw new MillraceError("STORE_MISCONFIGURED", {
      message: `durability "${wanted}" was asked for, and ${where} gives "${own}"; set appendonly yes and appendfsync ${wanted === "fsync" ? "always" : "everysec"}, or ask for "${own}"`,
    });
  }
}

/** What can be lost under each durability, in a sentence. */
export const CAN_LOSE: Readonly<Record<Durability, string>> = {
  memory: "everything since the last snapshot, when a server ends",
  os: "up to 2 seconds of work (appendfsync everysec) when a server loses power, and what its replicas did not have when one of them takes over; when only the process ends, no more than what a slow fsync held back",
  fsync:
    "nothing that was acknowledged when a server loses power; what its replicas did not have when one of them takes over",
  replicated:
    "nothing that was acknowledged, as long as one of the replicas that have it takes over",
};

/** Describes the store. */
export async function describeStore(
  context: Context,
  location: RedisLocation,
  durability: Durability,
): Promise<StoreDescription> {
  const [servers, nowMs] = await Promise.all([readServers(context.link), storeNowMs(context)]);
  const [first] = servers;
  const cluster = context.link.isCluster ? await readCluster(context.link) : null;
  const own = durabilityOf(servers);
  const hasFallback = own === "memory" && servers.some(({ hasSnapshots }) => !hasSnapshots);
  return {
    kind: "redis",
    version: first?.version ?? "",
    location: describeLocation(location),
    namespace: context.namespace,
    durability,
    canLose:
      durability === "memory" && hasFallback
        ? "everything, when a server ends: neither an append-only file nor snapshots are on"
        : CAN_LOSE[durability],
    findings: [...findingsOf(servers, durability), ...(cluster?.findings ?? [])],
    isFull: servers.some(isFull),
    nowMs,
    facts: {
      layoutVersion: LAYOUT_VERSION,
      primaries: servers.length,
      replicas: servers.reduce((sum, { connectedReplicas }) => sum + connectedReplicas, 0),
      usedMemoryBytes: servers.reduce((sum, { usedMemoryBytes }) => sum + usedMemoryBytes, 0),
      maxMemoryBytes: servers.reduce((sum, { maxMemoryBytes }) => sum + maxMemoryBytes, 0),
      maxMemoryPolicy: first?.evictionPolicy ?? "",
      appendfsync: first?.isPersistent === true ? first.appendfsync : "off",
      ...(cluster === null ? {} : { clusterState: cluster.state }),
    },
  };
}

/** Whether a server is at its `maxmemory`, so that it refuses to take anything in. */
export function isFull(server: ServerFacts): boolean {
  const { maxMemoryBytes, usedMemoryBytes, uncountedMemoryBytes } = server;
  return maxMemoryBytes > 0 && usedMemoryBytes - uncountedMemoryBytes > maxMemoryBytes;
}

/** What `doctor` finds in the servers' settings. */
export function findingsOf(servers: readonly ServerFacts[], durability: Durability): Finding[] {
  const findings: Finding[] = [];
  if (durability === "memory") {
    findings.push({
      level: "warning",
      message:
        "no append-only file: a restart of the server loses jobs; set appendonly yes (and appendfsync always to lose nothing at all)",
    });
  }
  /** Once, however many servers it is of: of a Cluster's, how many is said. */
  const tell = (
    level: Finding["level"],
    message: string,
    isSo: (server: ServerFacts) => boolean,
  ): void => {
    const count = servers.filter(isSo).length;
    if (count === 0) return;
    const where = servers.length === 1 ? "" : ` (${count} of ${servers.length} primaries)`;
    findings.push({ level, message: message + where });
  };
  tell(
    "problem",
    "the server failed to write to its disk; look at its log and its free space",
    ({ lastWriteFailed }) => lastWriteFailed,
  );
  tell(
    "problem",
    "the memory is full: enqueues are refused, while jobs still run and end; raise maxmemory, or remove jobs",
    isFull,
  );
  tell(
    "warning",
    "maxmemory is not set: a backlog can grow until the system ends the server; set it below what the machine has, with maxmemory-policy noeviction",
    ({ maxMemoryBytes }) => maxMemoryBytes === 0,
  );
  tell(
    "problem",
    'durability is "replicated" and a primary has no replica: every write waits in vain',
    ({ connectedReplicas }) => durability === "replicated" && connectedReplicas === 0,
  );
  if (findings.length === 0) findings.push({ level: "ok", message: "the settings keep jobs" });
  return findings;
}

async function readCluster(
  link: Link,
): Promise<{ readonly state: string; readonly findings: readonly Finding[] }> {
  const info = readInfo(String(await link.command("cluster", ["INFO"])));
  const state = info.get("cluster_state") ?? "";
  const failed = Number(info.get("cluster_slots_fail") ?? 0);
  if (state === "ok" && failed === 0) return { state, findings: [] };
  return {
    state,
    findings: [
      {
        level: "problem",
        message: `the cluster is ${state}, ${failed} slots have no primary; look at CLUSTER NODES`,
      },
    ],
  };
}
