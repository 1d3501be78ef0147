// A roll-up that the config file declares runs beside a worker, and delivers its open window at the end.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { until } from "./aggregated.ts";
import { startServer } from "./setup.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

it("reports from `millrace worker`, the open window at its end included", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millrace-rollup-"));
  const server = await startServer();
  const config = { store: "memory:", rollups: { traffic: { url: server.url, every: "1h" } } };
  await writeFile(
    join(directory, "millrace.config.mjs"),
    `export default ${JSON.stringify(config)};`,
  );
  const child = spawn(
    process.execPath,
    ["--conditions=millrace-source", MAIN, "worker", "--config", "millrace.config.mjs"],
    { cwd: directory, stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    const ended = once(child, "close");
    await until("it is connected", () => server.isConnected);
    server.burst(100);
    await server.allRead();
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(await server.stop()).toMatchObject({ reports: 1, exact: 1, reported: 100 });
  } finally {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
});

it("ends where one of several roll-ups can't start, with those that began before it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millrace-rollup-"));
  const server = await startServer();
  const rollups = {
    begun: { url: server.url, every: "1h" },
    refused: { url: server.url, undeliveredFile: join(directory, "millrace.config.mjs") },
  };
  await writeFile(
    join(directory, "millrace.config.mjs"),
    `export default ${JSON.stringify({ store: "memory:", rollups })};`,
  );
  const child = spawn(
    process.execPath,
    ["--conditions=millrace-source", MAIN, "worker", "--config", "millrace.config.mjs"],
    { cwd: directory, stdio: ["ignore", "ignore", "pipe"] },
  );
  try {
    let told = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    const [code] = (await once(child, "close")) as [number | null];
    expect(code).not.toBe(0);
    expect(told).toContain("INVALID_CONFIG");
  } finally {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
});
