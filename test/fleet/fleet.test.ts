// A fleet of real processes: what its owner sees of starts, ends, restarts and output.
import { existsSync } from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openFleet } from "millrace/fleet";
import type { Fleet, FleetEvent, FleetOptions } from "millrace/fleet";
import { findFreePort, isPortFree } from "../../src/processes/index.ts";
import { WRAPPER, processesWith, uniqueTag, worker } from "./programs.ts";

const opened: Fleet[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((fleet) => fleet.stop()));
});

function open(options: FleetOptions): { fleet: Fleet; events: FleetEvent[] } {
  const fleet = openFleet(options);
  opened.push(fleet);
  const events: FleetEvent[] = [];
  fleet.subscribe((event) => events.push(event));
  return { fleet, events };
}

/** A member that is this text as a program. */
const node = (script: string): string[] => [process.execPath, "-e", script];

const pidOf = (fleet: Fleet, id: number): number =>
  fleet.members().find((member) => member.id === id)?.pid ?? 0;

describe("readiness", () => {
  const listenLater =
    "setTimeout(()=>require('http').createServer((q,r)=>r.end('ok')).listen({port}),100)";

  test.each([
    ["a connection", { command: worker(), ready: "tcp" as const }],
    ["a reply", { command: node(listenLater), ready: { http: "http://localhost:{port}/health" } }],
    ["a line of output", { command: worker(), ready: { line: /listening on port \d+/ } }],
    ["its start alone", { command: node("setInterval(()=>{},1000)"), ready: "started" as const }],
  ])("by %s", async (_name, options) => {
    const { fleet, events } = open({ ...options, size: 2 });
    await fleet.allReady();
    expect(fleet.members().map((member) => member.phase)).toEqual(["ready", "ready"]);
    expect(events.filter((event) => event.type === "ready")).toHaveLength(2);
  });

  test("an owner who waits for what can't start is told why", async () => {
    const { fleet } = open({
      command: node("console.error('no licence'); process.exit(4)"),
      size: 1,
      restartLimit: 1,
      backoff: { initial: 1 },
    });
    await expect(fleet.allReady()).rejects.toThrow(/member 1 failed too often.*no licence/);
  });
});

describe("restarts", () => {
  test("L3: a crash loop is bounded, then told; siblings are unaffected", async () => {
    const { fleet, events } = open({
      command: worker("-only", "1", "-crashMean", "1"),
      size: 3,
      restartLimit: 3,
      backoff: { initial: 1, max: 5 },
    });
    await vi.waitFor(() => expect(events.map((event) => event.type)).toContain("degraded"), 30_000);
    await expect
      .poll(() => fleet.members().map((member) => member.phase))
      .toEqual(["degraded", "ready", "ready"]);
    expect(fleet.members()[0]).toMatchObject({ start: 4, crashes: 4, restarts: 3 });
    expect(fleet.members()[1]).toMatchObject({ start: 1, crashes: 0 });
  });

  test("L2: a wrapper that forks is killed with its fork a hundred times, and its port is free each time", async () => {
    const ports = { from: await findFreePort(new Set()) };
    const { fleet, events } = open({ command: [WRAPPER, ...worker()], size: 2, ports });
    fleet.subscribe((event) => {
      if (event.type !== "ready" || event.start > 50) return;
      fleet.reportProgress(event.member, event.start);
      // Only the wrapper: what it forked still holds the port then.
      process.kill(pidOf(fleet, event.member), "SIGKILL");
    });
    await vi.waitFor(
      () =>
        expect(fleet.members().map(({ start, phase }) => `${start} ${phase}`)).toEqual([
          "51 ready",
          "51 ready",
        ]),
      50_000,
    );
    expect(fleet.members().map((member) => member.port)).toEqual([ports.from, ports.from + 1]);
    const reasons = events.flatMap((event) => (event.type === "crashed" ? [event.reason] : []));
    expect(new Set(reasons)).toEqual(new Set(["killed by SIGKILL"]));
    expect(fleet.output(1).stderr).not.toContain("EADDRINUSE");
    await fleet.stop();
    expect(await isPortFree(ports.from)).toBe(true);
  });

  test("a member that fails its health checks is replaced", async () => {
    const deafAfterASecondReply =
      "let n=0;require('http').createServer((q,r)=>{r.statusCode=++n>1?500:200;r.end()}).listen({port})";
    const { fleet, events } = open({
      command: node(deafAfterASecondReply),
      size: 1,
      ready: { http: "http://localhost:{port}/" },
      health: { every: 20, failures: 2, check: { http: "http://localhost:{port}/" } },
      backoff: { initial: 1 },
    });
    await vi.waitFor(() => expect(fleet.members()[0]?.start).toBeGreaterThan(1), 30_000);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "failed", reason: "failed 2 health checks in a row" }),
    );
  });

  test("a rolling restart replaces every process, one at a time", async () => {
    const { fleet, events } = open({ command: worker(), size: 3 });
    await fleet.allReady();
    const before = new Set(fleet.members().map((member) => member.pid));
    events.length = 0;
    await fleet.roll();
    const after = fleet.members();
    expect(after.map((member) => member.phase)).toEqual(["ready", "ready", "ready"]);
    expect(after.some((member) => before.has(member.pid))).toBe(false);
    const order = events.filter(({ type }) => type === "stopping" || type === "ready");
    expect(order.map((event) => event.type)).toEqual(
      Array.from({ length: 3 }, () => ["stopping", "ready"]).flat(),
    );
  });
});

describe("size", () => {
  test("grows and shrinks at run time", async () => {
    const { fleet, events } = open({ command: worker(), size: 1 });
    await fleet.allReady();
    fleet.scale(3);
    await fleet.allReady();
    expect(fleet.members()).toHaveLength(3);
    fleet.scale(1);
    await expect.poll(() => fleet.members()).toHaveLength(1);
    const removed = events.flatMap((event) => (event.type === "removed" ? [event.member] : []));
    expect(new Set(removed)).toEqual(new Set([2, 3]));
  });
});

describe("stopping", () => {
  test("asks, waits for the grace, then kills the whole group", async () => {
    const tag = uniqueTag();
    const deaf = `process.on('SIGTERM',()=>{});setInterval(()=>{},1000);console.log('up')//${tag}`;
    const { fleet, events } = open({
      command: [WRAPPER, ...node(deaf)],
      size: 2,
      ready: { line: "up" },
      stopGrace: "100ms",
    });
    await fleet.allReady();
    expect(processesWith(tag)).toHaveLength(4);
    await fleet.stop();
    expect(processesWith(tag)).toEqual([]);
    expect(events.filter((event) => event.type === "stopped")).toHaveLength(2);
  });

  test("is safe at any moment, and twice at once", async () => {
    const tag = uniqueTag();
    for (let trial = 0; trial < 10; trial++) {
      const { fleet, events } = open({ command: worker("-seed", tag), size: 4 });
      await expect.poll(() => events.length).toBeGreaterThanOrEqual(trial % 5);
      await Promise.all([fleet.stop(), fleet.stop()]);
      expect(processesWith(tag)).toEqual([]);
      expect(fleet.members().every((member) => member.phase === "stopped")).toBe(true);
    }
  });
});

describe("what is kept of a member", () => {
  test("is the end of its output, bounded", async () => {
    const { fleet } = open({
      command: node("console.error('x'.repeat(5000)); console.log('up'); setInterval(()=>{},1000)"),
      size: 1,
      ready: { line: "up" },
      outputBytes: 1_000,
    });
    await fleet.allReady();
    await expect.poll(() => fleet.output(1).droppedBytes).toBe(4_001);
    expect(fleet.output(1)).toMatchObject({ stdout: "up\n", stderr: `${"x".repeat(999)}\n` });
  });

  test("is what it uses, with all that it forked", async () => {
    const { fleet } = open({ command: [WRAPPER, ...worker()], size: 1 });
    await fleet.allReady();
    const use = (await fleet.resources()).get(1);
    expect(use?.processes).toBe(2);
    expect(use?.memoryBytes).toBeGreaterThan(20_000_000);
  });
});

test("H5: shell metacharacters reach the program as they are, and do nothing", async () => {
  const victim = `/tmp/${uniqueTag()}`;
  const nasty = [
    `$(touch ${victim})`,
    `\`touch ${victim}\``,
    `; touch ${victim}`,
    `| touch ${victim}`,
  ];
  const inert = [...nasty, `&& touch ${victim}`, `> ${victim}`, "*", "~", "$HOME", "a'b\"c\\d", ""];
  const script = "console.log(JSON.stringify(process.argv.slice(1)));setInterval(()=>{},1000)";
  const quoted = inert.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  for (const command of [
    [...node(script), "--", ...inert],
    `${process.execPath} -e "${script}" -- ${quoted}`,
  ]) {
    const { fleet } = open({ command, size: 1, ready: { line: "[" } });
    await fleet.allReady();
    expect(JSON.parse(fleet.output(1).stdout)).toEqual(inert);
  }
  expect(existsSync(victim)).toBe(false);
});

test("a member sees only the environment that it is given", async () => {
  vi.stubEnv("FLEET_TEST_SECRET", "s3cret");
  vi.stubEnv("FLEET_TEST_SHARED", "shared");
  const { fleet } = open({
    command: node("console.log(JSON.stringify(process.env));setInterval(()=>{},1000)"),
    size: 1,
    env: { COLOUR: "green" },
    inheritEnv: ["FLEET_TEST_SHARED"],
    ready: { line: "{" },
  });
  await fleet.allReady();
  vi.unstubAllEnvs();
  const seen = JSON.parse(fleet.output(1).stdout) as Record<string, string>;
  expect(seen).toMatchObject({ COLOUR: "green", FLEET_TEST_SHARED: "shared" });
  expect(seen).not.toHaveProperty("FLEET_TEST_SECRET");
});
