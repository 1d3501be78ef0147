// The aggregator against a real server: reports, empty windows, and how it ends.
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aggregator, aggregatorMetrics, ManualClock } from "millrace/rollup";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "./aggregated.ts";
import { startAggregator, startServer } from "./setup.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "millrace-rollup-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("reports", () => {
  it("go out every interval in the contract's form, and an interval without messages sends an empty list", async () => {
    const clock = new ManualClock();
    const server = await startServer();
    const { aggregator } = await startAggregator(server, { clock, every: "60s" });
    server.burst(50);
    await until("all are counted", () => aggregator.stats().counted === 50);
    for (const reports of [1, 2]) {
      await clock.advance(60_000);
      await until("the report is in", () => server.ledger.reports === reports);
    }
    await aggregator.stop();
    expect(await server.stop()).toMatchObject({ reports: 2, exact: 2, reported: 50, mistakes: [] });
  });

  it("leave empty intervals out when told so", async () => {
    const clock = new ManualClock();
    const server = await startServer();
    const { aggregator } = await startAggregator(server, { clock, every: "60s", sendEmpty: false });
    await clock.advance(60_000 * 3);
    server.burst(1);
    await until("it is counted", () => aggregator.stats().counted === 1);
    await clock.advance(60_000);
    await until("the report is in", () => server.ledger.reports === 1);
    expect(aggregator.stats().windows).toBe(4);
  });

  it("of many pieces arrive as one message", async () => {
    const server = await startServer({ parents: 60, children: 2_000 });
    const { aggregator } = await startAggregator(server, { every: 60_000 });
    server.burst(40_000);
    await until("all are counted", () => aggregator.stats().counted === 40_000);
    expect(aggregator.stats().pairs).toBe(3_600);
    await aggregator.stop();
    expect(await server.stop()).toMatchObject({ reports: 1, exact: 1, reported: 40_000 });
  });
});

describe("associations", () => {
  it("move a child from then on, outlive connections, and are bounded", async () => {
    const server = await startServer({ parents: 3, children: 10 });
    const { aggregator } = await startAggregator(server, { maxIds: 13 });
    await until("they are known", () => aggregator.stats().children === 10);
    expect(aggregator.associate("36de4bf4-0293-4567-b009-75c4bc66a64d", "nobody")).toBe("refused");
    const parents = server.traffic.known();
    const [parent, child] = parents[0]!;
    const other = parents.find(([candidate]) => candidate !== parent)![0];
    expect(aggregator.associate(parent, child)).toBe("same");
    expect(aggregator.associate(other, child)).toBe("moved");
    server.cut();
    await until("it is back", () => aggregator.stats().connections === 2);
    expect(aggregator.stats()).toMatchObject({ children: 10, ids: 13, refusedAssociations: 1 });
  });
});

describe("the end", () => {
  it("delivers the open window first, whoever stops and how often", async () => {
    const server = await startServer();
    const { aggregator, notices } = await startAggregator(server, { every: 60_000 });
    server.burst(500);
    await until("all are counted", () => aggregator.stats().counted === 500);
    await Promise.all([aggregator.stop(), aggregator.stop()]);
    await aggregator.stop();
    expect(notices.map(({ kind }) => kind)).toEqual(["connected", "window", "report"]);
    expect(await server.stop()).toMatchObject({ reports: 1, exact: 1, reported: 500 });
  });

  it("writes what cannot be delivered to the file, and the next start sends it, once", async () => {
    const undeliveredFile = join(folder, "reports.ndjson");
    const server = await startServer();
    const first = await startAggregator(server, { every: 60_000, undeliveredFile, drain: 50 });
    server.burst(500);
    await until("all are counted", () => first.aggregator.stats().counted === 500);
    server.refuse(true);
    server.cut();
    await first.aggregator.stop();
    expect(first.of("report").at(-1)).toMatchObject({ fate: "filed", sequence: 1 });
    const [line] = (await readFile(undeliveredFile, "utf8")).split("\n");
    expect(JSON.parse(line!)).toMatchObject({ sequence: 1 });

    server.refuse(false);
    const second = await startAggregator(server, { every: 60_000, undeliveredFile });
    expect(existsSync(undeliveredFile)).toBe(false);
    await until("it is delivered", () => server.ledger.reports === 1);
    await second.aggregator.stop();
    const told = second.of("report").filter(({ fate }) => fate !== "kept");
    expect(told).toMatchObject([{ fate: "delivered", sequence: 1, earlier: true }]);
    expect(await server.stop()).toMatchObject({
      reports: 1,
      exact: 1,
      reported: 500,
      mistakes: [],
    });
    expect(existsSync(undeliveredFile)).toBe(false);
  });

  it("tells a report as dropped when there is no file for it", async () => {
    const server = await startServer();
    const { aggregator, of } = await startAggregator(server, { every: 60_000, drain: 20 });
    server.burst(5);
    await until("all are counted", () => aggregator.stats().counted === 5);
    server.refuse(true);
    server.cut();
    await aggregator.stop();
    expect(of("report").at(-1)).toMatchObject({ fate: "dropped", sequence: 1 });
  });

  it("does not touch a file that holds something else", async () => {
    const undeliveredFile = join(folder, "letters.txt");
    await writeFile(undeliveredFile, "dear all\n");
    const aggregator = new Aggregator({ undeliveredFile });
    await expect(aggregator.start()).rejects.toMatchObject({ code: "INVALID_CONFIG" });
    expect(await readFile(undeliveredFile, "utf8")).toBe("dear all\n");
  });

  it("can come before the start, or while nobody answers", async () => {
    const idle = new Aggregator();
    await idle.stop();
    await idle.start();
    expect(idle.stats()).toMatchObject({ state: "stopped", connections: 0 });

    const alone = new Aggregator({ url: "ws://127.0.0.1:1/ws" });
    await alone.start();
    await alone.stop();
    expect(alone.stats().state).toBe("stopped");
  });
});

describe("options", () => {
  it.each([
    { url: "http://localhost/ws" },
    { url: "nowhere" },
    { every: 0 },
    { maxPairs: 0 },
    { overflowId: "other" },
    { hold: { maxMessages: -1 } },
  ])("are checked: %j", (options) => {
    expect(() => new Aggregator(options)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});

describe("metrics", () => {
  it("are text for Prometheus, with a fixed number of series", () => {
    const text = aggregatorMetrics(new Aggregator().stats());
    expect(text).toContain("# TYPE millrace_rollup_messages_total counter");
    expect(text).toContain('millrace_rollup_malformed_total{kind="oversize"} 0');
    for (const line of text.trimEnd().split("\n")) {
      expect(line).toMatch(/^(# (HELP|TYPE) .+|millrace_rollup_\w+(\{\w+="\w+"\})? [\d.]+)$/);
    }
  });
});
