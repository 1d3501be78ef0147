// A full disk is told to who asks after the store, not only to who enqueues, and does not fill the log.
import { existsSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { missingSmallDisk, onSmallDisk } from "../chaos/harness/small-disk.ts";
import { type Running, commandLine, run, scratch, start } from "../cli/command-line.ts";
import { type Reply, callService } from "../http/service.ts";

const DISK_BYTES = 12 * 1_048_576;
const JOB = { Type: "Sleep", Data: '{"SleepTimeInSeconds":0,"Message":"x"}' };
/** Far more than fit into the room that the log has at hand. */
const MOST_JOBS = 10_000;

/** A service whose store is on a disk of its own, of a few megabytes. */
async function serveOnSmallDisk(directory: string): Promise<{
  readonly service: Running;
  readonly url: string;
  /** The file that takes all room, as it is seen from outside. */
  readonly ballast: string;
}> {
  const [command = "", ...args] = [...onSmallDisk(directory, DISK_BYTES), ...commandLine("serve")];
  const service = start(command, args, {
    env: { MILLRACE_STORE: `sqlite:${join(directory, "jobs.db")}`, MILLRACE_PORT: "0" },
  });
  const url = await service.line(/"url":"([^"]+)".*job service listening/);
  const ballast = `/proc/${service.child.pid}/root${join(directory, "ballast")}`;
  return { service, url, ballast };
}

/** Writes until no byte is free. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  const block = Buffer.alloc(4_096);
  const writeAll = async (): Promise<never> => {
    for (;;) await file.write(block);
  };
  await expect(writeAll()).rejects.toMatchObject({ code: "ENOSPC" });
  await file.close();
}

async function enqueueUntilRefused(url: string): Promise<Reply> {
  for (let count = 0; count < MOST_JOBS; count += 1) {
    const reply = await callService(url, "POST", "/job", { body: JOB });
    if (reply.status !== 202) return reply;
  }
  throw new Error(`${MOST_JOBS} jobs were taken on a full disk`);
}

test.skipIf(missingSmallDisk() !== null)(
  "a full disk is a problem to doctor and makes the service not ready, until there is room again",
  async () => {
    await using directory = await scratch();
    const { service, url, ballast } = await serveOnSmallDisk(directory.path);
    try {
      expect((await callService(url, "GET", "/v1/ready")).status).toBe(200);
      await fill(ballast);
      const refused = await enqueueUntilRefused(url);
      expect(refused).toMatchObject({ status: 507, json: { code: "STORE_FULL" } });

      const ready = await callService(url, "GET", "/v1/ready");
      expect(ready).toMatchObject({ status: 507, json: { code: "STORE_FULL" } });
      expect(ready.headers.get("retry-after")).toBe("10");
      expect((await callService(url, "GET", "/v1/health")).status).toBe(200);
      const store = (await callService(url, "GET", "/v1/store")).json;
      expect(store).toMatchObject({ isFull: true, facts: { freeDiskBytes: expect.any(Number) } });
      const doctor = await run(["doctor", "--url", url]);
      expect(doctor).toMatchObject({ code: 1 });
      expect(doctor.out).toMatch(/problem {2}the disk of .*jobs\.db is full .*make room/);

      rmSync(ballast);
      expect((await callService(url, "POST", "/job", { body: JOB })).status).toBe(202);
      expect((await callService(url, "GET", "/v1/ready")).status).toBe(200);
      expect((await run(["doctor", "--url", url])).out).toMatch(/warning {2}.*nearly full/);
    } finally {
      await service.stop();
    }
    expect(existsSync(join(directory.path, "jobs.db"))).toBe(false);
  },
);

test.skipIf(missingSmallDisk() !== null)(
  "what a full disk refuses is logged in a line without a stack, and then counted",
  async () => {
    await using directory = await scratch();
    const { service, url, ballast } = await serveOnSmallDisk(directory.path);
    let refused = 1;
    try {
      await fill(ballast);
      await enqueueUntilRefused(url);
      for (; refused < 30; refused += 1) {
        expect((await callService(url, "POST", "/job", { body: JOB })).status).toBe(507);
      }
    } finally {
      await service.stop();
    }
    const lines = service
      .output()
      .split("\n")
      .filter((line) => line.includes("STORE_FULL"))
      .map((line) => JSON.parse(line) as { readonly msg: string; readonly repeated?: number });
    for (const message of ["store error", "request refused"]) {
      const told = lines.filter(({ msg }) => msg === message);
      expect(told.length).toBeLessThanOrEqual(refused / 2);
      expect(told.reduce((sum, { repeated = 1 }) => sum + repeated, 0)).toBe(refused);
    }
    expect(service.output()).not.toContain('"stack"');
  },
);
