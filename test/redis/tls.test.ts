// TLS: a server with a certificate of its own authority.
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runProcess, startCommand } from "../cli/command-line.ts";
import { type RedisServer, startOnFreePort, startRedis } from "../servers/redis-server.ts";

const SHORT_SLEEP = JSON.stringify({ SleepTimeInSeconds: 0.1, Message: "over TLS" });
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** An authority, and a certificate of it for the loopback address. */
async function makeCertificate(directory: string): Promise<void> {
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: directory, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test Authority"];
  openssl("req", "-x509", ...key, ...authority, "-days", "2");
  openssl("req", ...key, "-keyout", "redis.key", "-out", "redis.csr", "-subj", "/CN=localhost");
  await writeFile(join(directory, "names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
  openssl("x509", "-req", "-in", "redis.csr", ...signing, "-extfile", "names", "-out", "redis.crt");
}

async function startWithTls(directory: string): Promise<{ server: RedisServer; url: string }> {
  const file = (name: string): string => join(directory, name);
  return startOnFreePort(async (port) => {
    const args = ["--tls-port", String(port), "--tls-auth-clients", "no"];
    args.push("--tls-cert-file", file("redis.crt"), "--tls-key-file", file("redis.key"));
    args.push("--tls-ca-cert-file", file("ca.crt"));
    // The plain port stays, for the test's own client.
    const server = await startRedis({ args });
    await server.client.acl("SETUSER", "mill", "on", ">s3cret", "~*", "&*", "+@all");
    return { server, url: `rediss://mill:s3cret@127.0.0.1:${port}` };
  });
}

test.skipIf(!hasOpenssl)(
  "rediss:// works with an authority that Node is told of, and is refused without",
  { timeout: 180_000 },
  async () => {
    await using ending = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), "millrace-tls-"));
    ending.defer(() => rm(directory, { recursive: true, force: true }));
    await makeCertificate(directory);
    const { server, url } = await startWithTls(directory);
    ending.defer(() => server.stop());
    const env = { MILLRACE_STORE: url, NODE_EXTRA_CA_CERTS: join(directory, "ca.crt") };

    const unknown = await runProcess(["doctor"], { env: { MILLRACE_STORE: url } });
    expect(unknown.code).not.toBe(0);
    expect(unknown.err).toContain("certificate");
    expect(unknown.err + unknown.out).not.toContain("s3cret");

    const doctor = await runProcess(["doctor"], { env });
    expect(doctor.out).toContain(url.replace("mill:s3cret@", ""));
    const enqueued = await runProcess(["enqueue", "Sleep", SHORT_SLEEP], { env });
    expect(enqueued.code).toBe(0);
    // The worker's keeper thread and its messages have connections of their own.
    const worker = startCommand(["worker"], { env });
    ending.defer(async () => {
      await worker.stop("SIGKILL");
    });
    await worker.line(/(over TLS)/);
  },
);
