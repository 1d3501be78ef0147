// `millrace rollup` as a process: JSON lines, metrics, and the end by signal.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "./aggregated.ts";
import { startServer } from "./setup.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

function run(...args: readonly string[]) {
  const child = spawn(process.execPath, ["--conditions=millrace-source", MAIN, "rollup", ...args]);
  running.push(child);
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  return { child, lines, errors, closed: once(child, "close") as Promise<[number]> };
}

describe("millrace rollup", () => {
  it("tells everything as JSON lines, serves metrics, and delivers the open window on SIGTERM", async () => {
    const server = await startServer();
    const { child, lines, errors, closed } = run(server.url, "--json", "--metrics-port", "0");
    await until("it is connected", () => lines.length > 0 && server.isConnected);
    server.burst(200);
    await server.allRead();
    const address = /http:\S+/.exec(errors.join("\n"))![0];
    const metrics = await (await fetch(address)).text();
    expect(metrics).toContain("millrace_rollup_messages_total 200\n");
    child.kill("SIGTERM");
    expect(await closed).toEqual([0, null]);
    const notices = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(notices.map(({ kind }) => kind)).toEqual(["connected", "window", "report"]);
    const { report, messages } = notices[1] as { report: { count: number }[]; messages: number };
    expect(report.reduce((sum, row) => sum + row.count, 0)).toBe(200);
    expect(messages).toBe(200);
    expect(await server.stop()).toMatchObject({ reports: 1, exact: 1, reported: 200 });
  });

  it("prints lines for people where there is no terminal", async () => {
    const server = await startServer();
    const { child, lines, closed } = run(server.url, "--every", "50ms", "--skip-empty");
    await until("it is connected", () => lines.includes("connected") && server.isConnected);
    server.burst(10);
    await until("the report is in", () => server.ledger.reports > 0);
    child.kill("SIGINT");
    expect(await closed).toEqual([0, null]);
    expect(lines.join("\n")).toMatch(/window \d+: 10 messages, \d+ pairs in 0\.\d s/);
    expect(lines.join("\n")).toMatch(/report \d+: delivered/);
  });

  it("refuses what it does not understand with the exit code for usage", async () => {
    const { closed, errors } = run("http://localhost:1/ws");
    expect(await closed).toEqual([2, null]);
    expect(errors.join("\n")).toContain("expected a WebSocket URL");
  });
});
