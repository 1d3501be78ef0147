// Starts real Redis servers for tests: on free loopback ports, without a trace left behind.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";

/** How to get the server where it is missing. */
const HOW_TO_INSTALL =
  "redis-server is not on the PATH. Debian, Ubuntu: sudo apt-get install -y redis-server. Fedora: sudo dnf install -y redis. macOS: brew install redis";
/** A server that does not answer within this time does not start. */
const START_TIMEOUT_MS = 15_000;
const POLL_MS = 20;

/** A running server. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly directory: string;
  readonly process: ChildProcess;
  /** A plain client of the server, closed with it. */
  readonly client: Redis;
  /** Ends the server as a crash does, and waits for its end. */
  kill(): Promise<void>;
  /** Starts it again on the same port and files, after its end. */
  restart(): Promise<RedisServer>;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
}

/** What a test can say of a server. Persistence is off unless arguments turn it on. */
export interface RedisServerOptions {
  readonly args?: readonly string[];
  readonly port?: number;
  readonly directory?: string;
}

/** Whether there is a server to start; on Debian and Ubuntu as root it is installed when it is missing. */
function ensureRedisServer(): void {
  if (hasServer()) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && spawnSync("apt-get", ["--version"]).status === 0) {
    aptGet("update");
    aptGet("install", "-y", "--no-install-recommends", "redis-server");
  }
  if (!hasServer()) throw new Error(HOW_TO_INSTALL);
}

function aptGet(...args: readonly string[]): void {
  spawnSync("apt-get", args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
}

function hasServer(): boolean {
  return spawnSync("redis-server", ["--version"]).status === 0;
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

/** Starts a server, and waits until it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  ensureRedisServer();
  const port = options.port ?? (await freePort());
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "millrace-redis-")));
  const common = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory];
  const quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"];
  const child = spawn("redis-server", [...common, ...quiet, ...(options.args ?? [])], {
    stdio: "ignore",
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  // A test run that ends badly takes its servers with it.
  const endWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", endWithUs);
  const client = new Redis({
    port,
    host: "127.0.0.1",
    retryStrategy: () => POLL_MS,
    maxRetriesPerRequest: null,
  });
  client.on("error", () => {});
  await answers(client, port);
  const kill = async (): Promise<void> => {
    client.disconnect();
    child.kill("SIGKILL");
    await ended;
    process.removeListener("exit", endWithUs);
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    directory,
    process: child,
    client,
    kill,
    restart: () => startRedis({ ...options, port, directory }),
    stop: async () => {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function answers(client: Redis, port: number): Promise<void> {
  const startedAtMs = performance.now();
  for (;;) {
    const answer = await Promise.race([client.ping(), pause(POLL_MS * 10, "silent")]).catch(
      () => "refused",
    );
    if (answer === "PONG") return;
    if (performance.now() - startedAtMs > START_TIMEOUT_MS) {
      throw new Error(`redis-server on port ${port} does not answer`);
    }
  }
}
