// Job types that really allocate something on this machine for a tenant, and give it back: directories, a port, a
// process. Each may be repeated: what stands already is found and kept.
import { spawn } from "node:child_process";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defineJob, fatal } from "millrace";
import { z } from "zod";

const place = z.object({
  root: z.string().describe("Where everything of all tenants is."),
  tenant: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/),
});
/** What goes wrong, for a try: `refused` fails for good, `flaky` fails the first try. */
const fault = z.enum(["none", "flaky", "refused"]).default("none");

type Place = z.infer<typeof place>;
const pathOf = ({ root, tenant }: Place, ...rest: string[]): string => join(root, tenant, ...rest);

const retry = { attempts: 3, backoff: { kind: "fixed", delay: "50ms" } } as const;

/** A network: a directory, and a port that nothing listens on. */
export const createNetwork = defineJob({
  name: "tenant/create-network",
  input: place,
  retry,
  async run({ input, log }) {
    await mkdir(pathOf(input), { recursive: true });
    const path = pathOf(input, "network.json");
    const standing = await readJson<{ port: number }>(path);
    if (standing !== null) return standing;
    const network = { port: await findFreePort() };
    await writeJson(path, network);
    log.info(`network of ${input.tenant} on port ${network.port}`);
    return network;
  },
});

export const removeNetwork = defineJob({
  name: "tenant/remove-network",
  input: place,
  retry,
  async run({ input }) {
    await rm(pathOf(input), { recursive: true, force: true });
  },
});

const DATABASE = `
const server = require("node:net").createServer((socket) => socket.end("ready"));
server.listen(Number(process.argv[1]), "127.0.0.1");
`;

/** A database: a process of its own that listens on the network's port, and outlives the worker. */
export const createDatabase = defineJob({
  name: "tenant/create-database",
  input: place.extend({ port: z.int(), fault }),
  retry,
  timeout: "10s",
  async run({ input, job, signal }) {
    breakAs(input.fault, job.attempt, "the database has no room");
    const path = pathOf(input, "database.json");
    const standing = await readJson<{ pid: number; port: number }>(path);
    if (standing !== null && (await isAnswering(standing.port))) return standing;
    const child = spawn(process.execPath, ["-e", DATABASE, String(input.port)], {
      detached: true,
      stdio: "ignore",
    });
    child.unref();
    const database = { pid: child.pid ?? 0, port: input.port };
    await writeJson(path, database);
    while (!(await isAnswering(input.port))) {
      if (child.exitCode !== null) throw new Error(`the database ended with ${child.exitCode}`);
      await sleep(20, undefined, { signal });
    }
    return database;
  },
});

export const removeDatabase = defineJob({
  name: "tenant/remove-database",
  input: place,
  retry,
  async run({ input, signal }) {
    const path = pathOf(input, "database.json");
    const database = await readJson<{ pid: number; port: number }>(path);
    if (database === null) return;
    try {
      process.kill(database.pid);
    } catch (error) {
      // Gone already: that is what was asked for.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    while (await isAnswering(database.port)) await sleep(20, undefined, { signal });
    await rm(path, { force: true });
  },
});

/** A bucket: a directory for the tenant's files. */
export const createBucket = defineJob({
  name: "tenant/create-bucket",
  input: place.extend({ fault }),
  retry,
  async run({ input, job }) {
    breakAs(input.fault, job.attempt, "the bucket's name is taken");
    const path = pathOf(input, "bucket");
    await mkdir(path, { recursive: true });
    return { path };
  },
});

export const removeBucket = defineJob({
  name: "tenant/remove-bucket",
  input: place,
  retry,
  async run({ input }) {
    await rm(pathOf(input, "bucket"), { recursive: true, force: true });
  },
});

/** Writes down that the tenant is open for business. */
export const register = defineJob({
  name: "tenant/register",
  input: place.extend({ port: z.int(), bucket: z.string(), fault }),
  retry,
  async run({ input, job }) {
    breakAs(input.fault, job.attempt, "the registry is closed");
    const { tenant, port, bucket } = input;
    const entry = { tenant, port, bucket };
    await writeJson(pathOf(input, "registered.json"), entry);
    return entry;
  },
});

export const tenantJobs = [
  createNetwork,
  removeNetwork,
  createDatabase,
  removeDatabase,
  createBucket,
  removeBucket,
  register,
] as const;

function breakAs(wanted: z.infer<typeof fault>, attempt: number, message: string): void {
  if (wanted === "refused") throw fatal(message);
  if (wanted === "flaky" && attempt === 1) throw new Error(message);
}

async function readJson<Value>(path: string): Promise<Value | null> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Value;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Written beside and renamed: whoever reads it never sees half of it. */
async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(value));
  await rename(`${path}.new`, path);
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether a database of a tenant answers on a port of this machine. */
export async function isAnswering(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", timeout: 1_000 });
    // A connection alone says nothing: one to a free port may get that port for its own end, and so meet itself.
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("timeout", () => socket.destroy());
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}
