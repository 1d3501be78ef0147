// A Redis Cluster that faults happen to: primaries killed and started again as replicas, nodes stopped, slots moved.
import { setTimeout as sleep } from "node:timers/promises";
import { type RedisCluster, startRedisCluster } from "../../servers/redis-cluster.ts";
import type { RedisServer } from "../../servers/redis-server.ts";
import { until } from "../harness/place.ts";
import type { Chaos } from "../harness/scenario.ts";

const POLL_MS = 25;

/** A line of CLUSTER NODES. */
export interface NodeLine {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  readonly primaryId: string;
  readonly epoch: number;
  readonly slots: readonly string[];
}

export class MortalCluster implements AsyncDisposable {
  readonly #nodes: RedisServer[];
  readonly url: string;

  private constructor(cluster: RedisCluster) {
    this.#nodes = [...cluster.nodes];
    this.url = cluster.url;
  }

  static async start(args: readonly string[] = [], replicasEach = 1): Promise<MortalCluster> {
    return new MortalCluster(await startRedisCluster({ args, replicasEach }));
  }

  get nodes(): readonly RedisServer[] {
    return this.#nodes;
  }

  /** What a node says of all. */
  async lines(asked: RedisServer): Promise<readonly NodeLine[]> {
    const text = String(await asked.client.call("CLUSTER", "NODES"));
    return text
      .trim()
      .split("\n")
      .map((line) => {
        const [id = "", address = "", flags = "", primaryId = "", , , epoch, , ...slots] =
          line.split(" ");
        const port = Number(/:(\d+)@/.exec(address)?.[1]);
        return { id, port, flags: flags.split(","), primaryId, epoch: Number(epoch), slots };
      });
  }

  /** Nodes that are primaries with slots, as one that lives says. */
  async primaries(asked: RedisServer = this.#living()): Promise<readonly RedisServer[]> {
    const lines = await this.lines(asked);
    const serving = lines.filter(
      ({ flags, slots }) => flags.includes("master") && !flags.includes("fail") && slots.length > 0,
    );
    return this.#nodes.filter((node) => serving.some(({ port }) => port === node.port));
  }

  /** Whether every node that lives says that all is well, every primary with a replica. */
  async isWhole(): Promise<boolean> {
    for (const node of this.#nodes) {
      if (isDead(node)) return false;
      const info = String(await node.client.call("CLUSTER", "INFO"));
      if (!info.includes("cluster_state:ok")) return false;
      const replication = await node.client.info("replication");
      const isLinked = replication.includes("master_link_status:up");
      const hasReplica = /connected_slaves:[1-9]/.test(replication);
      if (!isLinked && !hasReplica) return false;
    }
    return true;
  }

  async kill(victim: RedisServer): Promise<void> {
    await victim.kill();
  }

  /** Starts a node again that was killed: it comes back as a replica of whoever took its place. */
  async restart(dead: RedisServer): Promise<void> {
    this.#nodes[this.#nodes.indexOf(dead)] = await dead.restart();
  }

  /** Waits until another node than this one has its slots. */
  async untilReplaced(chaos: Chaos, dead: RedisServer): Promise<void> {
    const before = this.#nodes.length;
    await until(chaos, "another primary", async () => {
      const primaries = await this.primaries(this.#nodes.find((node) => node !== dead));
      return primaries.length * 2 === before && !primaries.includes(dead);
    });
  }

  /** Waits until every primary has a replica that takes what it writes. */
  async untilCopied(chaos: Chaos): Promise<void> {
    await until(chaos, "a replica for every primary", async () => {
      const primaries = await this.primaries();
      const infos = await Promise.all(primaries.map((node) => node.client.info("replication")));
      return infos.every((info) => /slave\d+:[^\n]*state=online,offset=[1-9]/.test(info));
    });
  }

  /** The primary that has a slot. */
  async ownerOf(slot: number): Promise<RedisServer> {
    for (const node of await this.primaries()) {
      const own = (await this.lines(node)).find(({ flags }) => flags.includes("myself"));
      const has = own?.slots.some((range) => {
        const [first = "", last = first] = range.split("-");
        return !range.startsWith("[") && Number(first) <= slot && slot <= Number(last);
      });
      if (has === true) return node;
    }
    throw new Error(`no primary has slot ${slot}`);
  }

  /** Moves a slot with its keys from one primary to another, as a rebalancing does: step by step, under load. */
  async moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<number> {
    const [fromId, toId] = await Promise.all([idOf(from), idOf(to)]);
    await this.#untilEpochsAgree();
    await to.client.call("CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
    await from.client.call("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
    let moved = 0;
    for (;;) {
      const keys = (await from.client.call("CLUSTER", "GETKEYSINSLOT", slot, 3)) as string[];
      if (keys.length === 0) break;
      const target = ["127.0.0.1", to.port, "", 0, 5_000];
      await from.client.call("MIGRATE", ...target, "KEYS", ...keys);
      moved += keys.length;
      await sleep(1);
    }
    // The new owner first: whoever asks the old one meanwhile is still sent to it.
    await to.client.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
    await from.client.call("CLUSTER", "SETSLOT", slot, "NODE", toId);
    return moved;
  }

  /**
   * The new owner of a slot takes the highest epoch that it knows of, by which the others believe it. Where one has a
   * higher epoch that it has not heard of, as after a move a moment ago, they tell it that the slot is still the old
   * owner's, and each of the two takes it for the other's, without end.
   */
  async #untilEpochsAgree(): Promise<void> {
    const primaries = await this.primaries();
    for (;;) {
      const views = await Promise.all(
        primaries.map(async (node) => {
          const lines = await this.lines(node);
          const epochs = lines.filter(({ flags }) => flags.includes("master"));
          return epochs.map(({ id, epoch }) => `${epoch} ${id}`).sort();
        }),
      );
      const [first = []] = views;
      const agree = views.every((view) => view.join() === first.join());
      if (agree && new Set(first.map((line) => Number.parseInt(line, 10))).size === first.length)
        return;
      await sleep(POLL_MS);
    }
  }

  #living(): RedisServer {
    const node = this.#nodes.find((each) => !isDead(each));
    if (node === undefined) throw new Error("no node lives");
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) node.process.kill("SIGCONT");
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }
}

function isDead({ process: { exitCode, signalCode } }: RedisServer): boolean {
  return exitCode !== null || signalCode !== null;
}

async function idOf(node: RedisServer): Promise<string> {
  return String(await node.client.call("CLUSTER", "MYID"));
}

/** Waits until all nodes are well. */
export async function untilWhole(chaos: Chaos, cluster: MortalCluster): Promise<void> {
  while (!(await cluster.isWhole().catch(() => false))) {
    await sleep(POLL_MS, undefined, chaos);
  }
}
