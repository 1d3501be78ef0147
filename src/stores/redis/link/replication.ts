// Durability `replicated`: a write is acknowledged when replicas have it.
import type { Cluster, Command, Redis } from "ioredis";
import type { Driver } from "./connect.ts";

/**
 * Longest wait of one WAIT, and how often it is asked again before the write itself is sent again; the caller's own
 * deadline ends the tries. A WAIT asks the replicas that there are when it comes: one that connects meanwhile, as after
 * a failover, tells how far it is a second later only. And what comes after it on the connection waits with it.
 */
const WAIT_MS = 100;
const MAX_WAITS = 10;

/** Sends a write and waits until replicas have it. */
export type Replicate = (command: Command) => Promise<readonly unknown[]>;

/**
 * WAIT speaks of what its own connection wrote: sent on another one, after a reconnect say, it would answer at once
 * about nothing. So both go to one node's connection back to back, and the answer counts only if that one stood.
 */
export function replicationOf(
  client: Redis | Cluster,
  driver: Driver,
  replicas: number,
): Replicate {
  const losses = new WeakMap<Redis, number>();
  const lossesOf = (node: Redis): number => {
    const count = losses.get(node);
    if (count !== undefined) return count;
    losses.set(node, 0);
    node.on("close", () => losses.set(node, (losses.get(node) ?? 0) + 1));
    return 0;
  };
  return async (command) => {
    const node = await nodeOf(client, driver, command);
    const before = lossesOf(node);
    const written = node.sendCommand(command) as Promise<readonly unknown[]>;
    const copies = async (): Promise<number> =>
      Number(
        await node.sendCommand(
          new driver.Command("wait", [replicas, WAIT_MS], { replyEncoding: "utf8" }),
        ),
      );
    const [outcome, first] = await Promise.allSettled([written, copies()]);
    if (outcome.status === "rejected") {
      if (driver.Cluster !== undefined && client instanceof driver.Cluster)
        client.refreshSlotsCache();
      throw outcome.reason;
    }
    if (first.status === "rejected") throw first.reason;
    let count = first.value;
    for (let waits = 1; ; waits += 1) {
      if (lossesOf(node) !== before)
        throw new Error("the connection was lost before replicas answered");
      if (count >= replicas) break;
      if (waits === MAX_WAITS) throw new Error(`${count} of ${replicas} replicas have the write`);
      count = await copies();
    }
    return outcome.value;
  };
}

/** The primary that a command goes to. Where none is known its slot was a primary's that is gone: it is asked who has it. */
async function nodeOf(client: Redis | Cluster, driver: Driver, command: Command): Promise<Redis> {
  if (!(client instanceof driver.Cluster)) return client;
  const known = knownNodeOf(client, command);
  if (known !== undefined) return known;
  await new Promise<void>((resolve) => {
    client.refreshSlotsCache(() => resolve());
  });
  const node = knownNodeOf(client, command);
  if (node === undefined) throw new Error("no primary is known for the slot yet");
  return node;
}

function knownNodeOf(client: Cluster, command: Command): Redis | undefined {
  const address = client.slots[command.getSlot() ?? 0]?.[0];
  return client
    .nodes("master")
    .find(({ options }) => `${options.host}:${options.port}` === address);
}
