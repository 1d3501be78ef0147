// Starts a real Redis Cluster for tests: three primaries and three replicas on free loopback ports.
import { setTimeout as pause } from "node:timers/promises";
import { type RedisServer, startOnFreePort, startRedis } from "./redis-server.ts";

/** Slots of a cluster. */
const SLOTS = 16_384;
/** Time after which a silent node is held to have failed. */
const NODE_TIMEOUT_MS = 2_000;
/** Longest time until the nodes agree. */
const AGREE_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

/** A running cluster. */
export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly url: string;
  /** The nodes that are primaries now. */
  primaries(): Promise<readonly RedisServer[]>;
  stop(): Promise<void>;
}

/** What a test can say of a cluster. */
export interface RedisClusterOptions {
  readonly primaries?: number;
  readonly replicasEach?: number;
  readonly args?: readonly string[];
  /** Arguments that name a certificate: each node listens with TLS too. */
  readonly tls?: readonly string[];
}

/** Starts a cluster, and waits until its nodes agree. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const primaryCount = options.primaries ?? 3;
  const count = primaryCount * (1 + (options.replicasEach ?? 1));
  const nodes = await Promise.all(
    Array.from({ length: count }, () => startNode(options.args ?? [], options.tls)),
  );
  await introduce(nodes);
  await share(nodes.slice(0, primaryCount));
  await follow(nodes, primaryCount);
  await agree(nodes);
  return {
    nodes,
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    primaries: () => primariesOf(nodes),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

async function startNode(args: readonly string[], tls?: readonly string[]): Promise<RedisServer> {
  if (tls !== undefined) {
    return startOnFreePort((port) =>
      startNode([...args, "--tls-port", String(port), "--tls-cluster", "yes", ...tls]),
    );
  }
  const own = ["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)];
  // A node that is alone learns its own address from nobody.
  own.push("--cluster-announce-ip", "127.0.0.1");
  // By default a primary waits 5 s for more replicas before it sends its data.
  own.push("--repl-diskless-sync-delay", "0");
  // The bus port is 10,000 above by default, which leaves the range for high free ports.
  return startOnFreePort((busPort) =>
    startRedis({ args: [...own, "--cluster-port", String(busPort), ...args] }),
  );
}

async function introduce(nodes: readonly RedisServer[]): Promise<void> {
  const [first, ...others] = nodes;
  // While they are alone. Two primaries with one epoch may both hold a slot that is moved for theirs, or for neither's.
  for (const [index, { client }] of nodes.entries()) {
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
  }
  for (const node of others) {
    const busPort = await numberIn(node, "cluster-port");
    // Nodes that speak with TLS know each other by that port.
    const port = (await numberIn(node, "tls-port")) || node.port;
    await first?.client.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
  }
  await until(async () => {
    const known = await Promise.all(nodes.map((node) => clusterInfo(node)));
    return known.every((info) => info.get("cluster_known_nodes") === String(nodes.length));
  }, "the nodes should know each other");
}

/** A number among a node's settings; 0 where it has none of that name. */
async function numberIn({ client }: RedisServer, setting: string): Promise<number> {
  const [, value = "0"] = (await client.config("GET", setting)) as readonly string[];
  return Number(value);
}

async function share(primaries: readonly RedisServer[]): Promise<void> {
  const each = Math.ceil(SLOTS / primaries.length);
  for (const [index, node] of primaries.entries()) {
    const last = Math.min(SLOTS, (index + 1) * each) - 1;
    await node.client.call("CLUSTER", "ADDSLOTSRANGE", String(index * each), String(last));
  }
}

async function follow(nodes: readonly RedisServer[], primaryCount: number): Promise<void> {
  for (const [index, node] of nodes.slice(primaryCount).entries()) {
    const primary = nodes[index % primaryCount];
    const id = String(await primary?.client.call("CLUSTER", "MYID"));
    await until(
      () =>
        node.client.call("CLUSTER", "REPLICATE", id).then(
          () => true,
          () => false,
        ),
      "a node should become a replica",
    );
  }
}

async function agree(nodes: readonly RedisServer[]): Promise<void> {
  await until(async () => {
    const infos = await Promise.all(nodes.map((node) => clusterInfo(node)));
    if (!infos.every((info) => info.get("cluster_state") === "ok")) return false;
    const replicas = await Promise.all(nodes.map((node) => node.client.info("replication")));
    return replicas.every(
      (text) => text.includes("role:master") || text.includes("master_link_status:up"),
    );
  }, "the cluster should be whole");
}

async function primariesOf(nodes: readonly RedisServer[]): Promise<readonly RedisServer[]> {
  const roles = await Promise.all(
    nodes.map(async (node) => {
      if (node.process.exitCode !== null || node.process.signalCode !== null) return false;
      return (await node.client.info("replication")).includes("role:master");
    }),
  );
  return nodes.filter((_, index) => roles[index] === true);
}

async function clusterInfo(node: RedisServer): Promise<ReadonlyMap<string, string>> {
  const text = String(await node.client.call("CLUSTER", "INFO"));
  return new Map(text.split("\r\n").map((line) => line.split(":") as [string, string]));
}

async function until(holds: () => Promise<boolean>, statement: string): Promise<void> {
  const startedAtMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startedAtMs > AGREE_TIMEOUT_MS)
      throw new Error(`${statement}: it does not`);
    await pause(POLL_MS);
  }
}
