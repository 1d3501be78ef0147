// Starts real Redis servers for tests: on free loopback ports, without a trace left behind.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { installPackage } from "./packages.ts";

/** The server under test: `MILLRACE_REDIS_SERVER=valkey-server` runs every suite on Valkey. */
export const SERVER: string = process.env["MILLRACE_REDIS_SERVER"] ?? "redis-server";
const IS_USUAL = SERVER === "redis-server";

/** How to get the server where it is missing. */
const HOW_TO_INSTALL =
  `${SERVER} is not on the PATH. ` +
  "To get redis-server: Debian, Ubuntu: sudo apt-get install -y redis-server. Fedora: sudo dnf install -y redis. macOS: brew install redis";
/** A server that does not answer within this time does not start. */
const START_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
/** A free port may be taken by another until the server listens there: then another is tried. */
const MAX_STARTS = 5;

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
  /** A command to run it under, which leaves it the process that is started. */
  readonly under?: readonly string[];
}

const living = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

/** A test run that ends badly takes its servers with it. */
export function endsWithUs(child: ChildProcess): void {
  living.add(child);
  child.once("exit", () => living.delete(child));
}

let isFound = false;

/** Whether there is a server to start; on Debian and Ubuntu as root it is installed when it is missing. */
function ensureRedisServer(): void {
  // Looked for once: the look holds up the loop, on which a test may have its workers.
  isFound ||= hasServer();
  if (isFound) return;
  if (IS_USUAL) installPackage("redis-server");
  if (!hasServer()) throw new Error(HOW_TO_INSTALL);
}

function hasServer(): boolean {
  return spawnSync(SERVER, ["--version"]).status === 0;
}

/**
 * Below the ports that systems give to outgoing connections: of those, a client that tries again and again to reach a
 * server that is down would sooner or later be given the server's own, and connect to itself.
 */
const FIRST_PORT = 10_000;
const PORTS = 22_000;

/** A port that nobody listens on, now and while a server of it is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => {
      server.close(() => resolve(true));
    });
  });
}

/** Starts a server, and waits until it answers. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  ensureRedisServer();
  return startOnFreePort((port) => startOnce(options.port ?? port, options));
}

/** Tries to start something on one port after the other. */
export async function startOnFreePort<Started>(
  start: (port: number) => Promise<Started>,
): Promise<Started> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (tries === MAX_STARTS) throw error;
    }
  }
}

async function startOnce(port: number, options: RedisServerOptions): Promise<RedisServer> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "millrace-redis-")));
  const common = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory];
  const quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"];
  const line = [...(options.under ?? []), SERVER, ...common, ...quiet];
  const [command = "", ...args] = [...line, ...(options.args ?? [])];
  const child = spawn(command, args, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
  });
  endsWithUs(child);
  const client = new Redis({
    port,
    host: "127.0.0.1",
    retryStrategy: () => POLL_MS,
    maxRetriesPerRequest: null,
  });
  client.on("error", () => {});
  const kill = async (): Promise<void> => {
    client.disconnect();
    child.kill("SIGKILL");
    await ended;
  };
  try {
    await answers(client, child);
  } catch (error) {
    await kill();
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  }
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

/** Waits until the server that was started answers: on its port another may, which came first. */
async function answers(client: Redis, child: ChildProcess): Promise<void> {
  const startedAtMs = performance.now();
  for (;;) {
    const info = await Promise.race([client.info("server"), pause(POLL_MS * 10, "")]).catch(
      () => "",
    );
    if (info.includes(`process_id:${child.pid}\r`)) return;
    if (child.exitCode !== null || performance.now() - startedAtMs > START_TIMEOUT_MS) {
      throw new Error(`${SERVER} ended, or does not answer`);
    }
    if (info !== "") await pause(POLL_MS);
  }
}
