// TLS on a Cluster and behind a Sentinel: every connection is encrypted, those of the keeper and of messages included.
import { expect, test } from "vitest";
import { runProcess, startCommand } from "../cli/command-line.ts";
import { type Certificate, hasOpenssl, makeCertificate } from "../servers/certificate.ts";
import { startRedisCluster } from "../servers/redis-cluster.ts";
import { type RedisServer, startOnFreePort, startRedis } from "../servers/redis-server.ts";
import { startSentinel } from "../servers/redis-sentinel.ts";

const TIMEOUT_MS = 180_000;
/** A failover by a Sentinel takes seconds; on a busy machine, several times as many. */
const WITHIN = { timeout: 90_000 };

function sleepInput(message: string): string {
  return JSON.stringify({ SleepTimeInSeconds: 0.1, Message: message });
}

test.skipIf(!hasOpenssl)(
  "rediss+cluster:// finds every node by TLS, and doctor says how the Cluster is",
  { timeout: TIMEOUT_MS },
  async () => {
    await using ending = new AsyncDisposableStack();
    const certificate = ending.use(await makeCertificate());
    const cluster = await startRedisCluster({ replicasEach: 0, tls: certificate.args });
    ending.defer(() => cluster.stop());
    const ports = await Promise.all(
      cluster.nodes.map(async ({ client }) => {
        const [, port] = (await client.config("GET", "tls-port")) as [string, string];
        return port;
      }),
    );
    // No plain connection gets in: only the user of TLS may do anything.
    for (const { client } of cluster.nodes) {
      await client.acl("SETUSER", "mill", "on", ">s3cret", "~*", "&*", "+@all");
    }
    const nodes = ports.map((port) => `127.0.0.1:${port}`).join(",");
    const MILLRACE_STORE = `rediss+cluster://mill:s3cret@${nodes}?partitions=*:6`;
    const env = { MILLRACE_STORE, NODE_EXTRA_CA_CERTS: certificate.authority };
    const worker = startCommand(["worker"], { env });
    ending.defer(async () => {
      await worker.stop("SIGKILL");
    });
    const doctor = await runProcess(["doctor"], { env });
    expect(doctor).toMatchObject({ code: 0, err: "" });
    expect(doctor.out).toMatch(/clusterState +ok/);
    expect(doctor.out).toContain("(3 of 3 primaries)");
    expect(doctor.out).not.toContain("s3cret");
    const enqueued = await runProcess(["enqueue", "Sleep", sleepInput("over TLS")], { env });
    expect(enqueued.code).toBe(0);
    await worker.line(/(over TLS)/);
    // Nobody but this test came by a plain port.
    for (const { client } of cluster.nodes) expect(await plainClients(client)).toBe(0);
  },
);

test.skipIf(!hasOpenssl)(
  "rediss+sentinel:// asks the Sentinel by TLS, and finds the successor of a primary",
  { timeout: TIMEOUT_MS },
  async () => {
    await using ending = new AsyncDisposableStack();
    const certificate = ending.use(await makeCertificate());
    const primary = await startWithTls(certificate);
    ending.defer(() => primary.server.stop());
    const replica = await startWithTls(certificate);
    ending.defer(() => replica.server.stop());
    await replica.server.client.replicaof("127.0.0.1", primary.port);
    await expect
      .poll(() => replica.server.client.info("replication"))
      .toContain("master_link_status:up");
    const sentinel = ending.use(await startSentinel(primary, certificate.args));
    const env = { MILLRACE_STORE: sentinel.url, NODE_EXTRA_CA_CERTS: certificate.authority };
    const worker = startCommand(["worker"], { env });
    ending.defer(async () => {
      await worker.stop("SIGKILL");
    });
    const before = await runProcess(["enqueue", "Sleep", sleepInput("before it")], { env });
    expect(before.code).toBe(0);
    await worker.line(/(before it)/);
    await primary.server.kill();
    await expect.poll(() => sentinel.primaryPort(), WITHIN).toBe(replica.port);
    const after = await runProcess(["enqueue", "Sleep", sleepInput("after it")], { env });
    expect(after).toMatchObject({ code: 0 });
    await worker.line(/(after it)/);
  },
);

async function startWithTls({ args }: Certificate): Promise<{ server: RedisServer; port: number }> {
  return startOnFreePort(async (port) => {
    const own = ["--tls-port", String(port), "--tls-replication", "yes", ...args];
    const server = await startRedis({ args: [...own, "--repl-diskless-sync-delay", "0"] });
    return { server, port };
  });
}

/** Connections of Millrace that came by a plain port: the user of TLS has a name, the test's own client has none. */
async function plainClients(client: RedisServer["client"]): Promise<number> {
  const [, port] = (await client.config("GET", "port")) as [string, string];
  const lines = String(await client.client("LIST")).split("\n");
  return lines.filter(
    (line) => line.includes("user=mill") && line.includes(`laddr=127.0.0.1:${port} `),
  ).length;
}
