// TLS: a server with a certificate of its own authority.
import { expect, test } from "vitest";
import { runProcess, startCommand } from "../cli/command-line.ts";
import { type Certificate, hasOpenssl, makeCertificate } from "../servers/certificate.ts";
import { type RedisServer, startOnFreePort, startRedis } from "../servers/redis-server.ts";

const SHORT_SLEEP = JSON.stringify({ SleepTimeInSeconds: 0.1, Message: "over TLS" });

async function startWithTls({ args }: Certificate): Promise<{ server: RedisServer; url: string }> {
  return startOnFreePort(async (port) => {
    // The plain port stays, for the test's own client.
    const server = await startRedis({ args: ["--tls-port", String(port), ...args] });
    await server.client.acl("SETUSER", "mill", "on", ">s3cret", "~*", "&*", "+@all");
    return { server, url: `rediss://mill:s3cret@127.0.0.1:${port}` };
  });
}

test.skipIf(!hasOpenssl)(
  "rediss:// works with an authority that Node is told of, and is refused without",
  { timeout: 180_000 },
  async () => {
    await using ending = new AsyncDisposableStack();
    const certificate = ending.use(await makeCertificate());
    const { server, url } = await startWithTls(certificate);
    ending.defer(() => server.stop());
    const env = { MILLRACE_STORE: url, NODE_EXTRA_CA_CERTS: certificate.authority };

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
