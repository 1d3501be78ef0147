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
