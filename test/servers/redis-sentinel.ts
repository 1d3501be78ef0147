// Starts a Sentinel that watches one primary, for tests.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import {
  type RedisServer,
  SERVER,
  endsWithUs,
  startOnFreePort,
  startRedis,
} from "./redis-server.ts";

/** The name under which the Sentinel knows its primary. */
const PRIMARY = "main";
/** How long a primary is silent before it is held to be down. */
const DOWN_AFTER_MS = 500;
const START_TIMEOUT_MS = 15_000;
const POLL_MS = 20;

/** A running Sentinel. */
export interface RedisSentinel extends AsyncDisposable {
  /** Of the store that it leads to. */
  readonly url: string;
  /** Port of the server that it holds to be the primary. */
  primaryPort(): Promise<number>;
}

/** A primary and a replica that has all of it. */
export interface RedisPair extends AsyncDisposable {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
}

/** Starts them, and waits until the replica follows. */
export async function startRedisPair(): Promise<RedisPair> {
  // By default a primary waits 5 s for more replicas before it sends its data.
  const args = ["--repl-diskless-sync-delay", "0"];
  const [primary, replica] = await Promise.all([startRedis({ args }), startRedis({ args })]);
  await replica.client.replicaof("127.0.0.1", primary.port);
  while (!(await replica.client.info("replication")).includes("master_link_status:up")) {
    await pause(POLL_MS);
  }
  return {
    primary,
    replica,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([primary.stop(), replica.stop()]);
    },
  };
}

/** Starts a Sentinel, and waits until it knows the primary and its replica. */
export async function startSentinel(
  primary: Pick<RedisServer, "port">,
  tls?: readonly string[],
): Promise<RedisSentinel> {
  return startOnFreePort((port) =>
    tls === undefined
      ? startOnce(port, primary)
      : startOnFreePort((tlsPort) => startOnce(port, primary, { tlsPort, args: tls })),
  );
}

async function startOnce(
  port: number,
  primary: Pick<RedisServer, "port">,
  tls?: { readonly tlsPort: number; readonly args: readonly string[] },
): Promise<RedisSentinel> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-sentinel-"));
  const file = join(directory, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${directory}`,
    `sentinel monitor ${PRIMARY} 127.0.0.1 ${primary.port} 1`,
    `sentinel down-after-milliseconds ${PRIMARY} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${PRIMARY} 3000`,
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  // A Sentinel speaks with the servers that it watches as a replica does: with TLS only where that is said.
  const secure = ["--tls-port", String(tls?.tlsPort), "--tls-replication", "yes"];
  const args = tls === undefined ? [] : [...secure, ...tls.args];
  const child = spawn(SERVER, [file, "--sentinel", ...args], { stdio: "ignore" });
  const ended = once(child, "exit");
  endsWithUs(child);
  const client = new Redis({ port, host: "127.0.0.1", maxRetriesPerRequest: null });
  client.on("error", () => {});
  const sentinel: RedisSentinel = {
    url:
      tls === undefined
        ? `redis+sentinel://127.0.0.1:${port}/${PRIMARY}`
        : `rediss+sentinel://127.0.0.1:${tls.tlsPort}/${PRIMARY}`,
    primaryPort: async () => {
      const found = await client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY);
      return Number((found as readonly string[])[1]);
    },
    [Symbol.asyncDispose]: async () => {
      client.disconnect();
      child.kill("SIGKILL");
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
  const startedAtMs = performance.now();
  while (!(await client.info("sentinel").catch(() => "")).includes("slaves=1")) {
    if (child.exitCode !== null || performance.now() - startedAtMs > START_TIMEOUT_MS) {
      await sentinel[Symbol.asyncDispose]();
      throw new Error("the sentinel ended, or does not find the replica");
    }
    await pause(POLL_MS);
  }
  return sentinel;
}
