// Single faults and what exactly follows from each; test/chaos/rollup has the rows of the fault table.
import { ManualClock } from "millrace/rollup";
import { describe, expect, it } from "vitest";
import { until } from "./aggregated.ts";
import { startAggregator, startServer } from "./setup.ts";

/** As in production: with a clock moved by hand it takes no time, and few tries. */
const SLOW = { every: "1m", reconnect: { min: "10s", max: "30s" } };

describe("messages before their associations", () => {
  it("counts them once they are known, in the open window", async () => {
    const server = await startServer({ late: 0.5, latePerUpdate: 10 });
    const { aggregator } = await startAggregator(server);
    for (let round = 0; round < 20; round += 1) {
      server.burst(500);
      server.update();
    }
    server.quieten();
    await until("all are counted", () => aggregator.stats().counted === server.messages);
    await aggregator.stop();
    const { exact, reports, mistakes } = await server.stop();
    expect([exact, mistakes]).toEqual([reports, []]);
    expect(aggregator.stats()).toMatchObject({ messages: 10_000, held: 0 });
  });

  it("tells what it could not attribute: attributed and unattributed make what was received", async () => {
    const clock = new ManualClock();
    const server = await startServer({ late: 0.3, latePerUpdate: 0 });
    const { aggregator, of } = await startAggregator(server, {
      ...SLOW,
      clock,
      hold: { maxWait: "1m", maxMessages: 300 },
    });
    server.burst(2_000);
    await server.allRead();
    expect(aggregator.stats()).toMatchObject({ messages: 2_000, held: 300 });
    await clock.advance(60_000);
    expect(aggregator.stats().held).toBe(0);
    server.burst(100);
    await server.allRead();
    await aggregator.stop();
    const { counted, unattributed, held } = aggregator.stats();
    const { expired, refused, stopped } = unattributed;
    expect(counted + expired + refused + stopped).toBe(2_100);
    expect([expired, refused > 0, stopped > 0, held]).toEqual([300, true, true, 0]);
    const inWindows = of("window").map(({ window }) => window.unattributed);
    expect(inWindows.map((told) => told.expired)).toEqual([300, 0]);
    expect(inWindows.map((told) => told.stopped)).toEqual([0, stopped]);
  });
});

describe("a report cannot be sent for a long time", () => {
  it("keeps every window's report while the server is away and sends each once, in order", async () => {
    const clock = new ManualClock();
    const server = await startServer();
    const { aggregator, of } = await startAggregator(server, { clock, ...SLOW });
    server.burst(1_000);
    await server.allRead();
    await clock.advance(60_000);
    await until("the first report is delivered", () => aggregator.stats().reports.delivered === 1);
    server.burst(500);
    await server.allRead();
    server.refuse(true);
    server.cut();
    await until("the loss is noticed", () => of("disconnected").length === 1);
    await clock.advance(60_000 * 10);
    expect(aggregator.stats()).toMatchObject({ kept: 10, windows: 11 });
    server.refuse(false);
    await until("all are delivered", () => {
      void clock.advance(1_000);
      return aggregator.stats().reports.delivered === 11;
    });
    await aggregator.stop();
    const delivered = of("report").filter(({ fate }) => fate === "delivered");
    expect(delivered.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(await server.stop()).toMatchObject({
      reports: 11,
      exact: 11,
      reported: 1_500,
      mistakes: [],
    });
  });

  it("writes no report towards a server that hangs, notices it, and sends after it is back", async () => {
    const clock = new ManualClock();
    const server = await startServer();
    const options = { clock, ...SLOW, pingEvery: "40s" };
    const { aggregator, of } = await startAggregator(server, options);
    server.burst(1_000);
    await server.allRead();
    server.stall();
    await clock.advance(60_000);
    expect(aggregator.stats()).toMatchObject({ kept: 1, windows: 1 });
    await clock.advance(40_000);
    await until("the dead peer is noticed", () => of("disconnected").length === 1);
    server.resume();
    await until("the report is delivered", () => {
      void clock.advance(1_000);
      return aggregator.stats().reports.delivered === 1;
    });
    await aggregator.stop();
    expect(await server.stop()).toMatchObject({
      reports: 1,
      exact: 1,
      reported: 1_000,
      mistakes: [],
    });
    expect(aggregator.stats().reports).toMatchObject({ unconfirmed: 0, dropped: 0 });
  });

  it("tells a report whose delivery stayed unknown, and does not send it again", async () => {
    const clock = new ManualClock();
    const server = await startServer();
    const { aggregator, of } = await startAggregator(server, { clock, ...SLOW });
    server.burst(100);
    await server.allRead();
    server.cutAfterNextReport();
    await clock.advance(60_000);
    await until("its fate is told", () => of("report").length > 0);
    expect(of("report")).toMatchObject([{ fate: "unconfirmed", sequence: 1 }]);
    await until("it is back", () => {
      void clock.advance(1_000);
      return aggregator.stats().connections === 2 && server.isConnected;
    });
    await aggregator.stop();
    expect(await server.stop()).toMatchObject({ reports: 1, exact: 1, reported: 100 });
  });
});

describe("malformed and oversize frames", () => {
  it("skips and counts them by kind, and goes on", async () => {
    const server = await startServer({ malformed: 0.5 });
    const { aggregator } = await startAggregator(server);
    server.burst(5_000);
    await until("all are counted", () => aggregator.stats().counted === 5_000);
    const { malformed } = aggregator.stats();
    const total = Object.values(malformed).reduce((sum, count) => sum + count, 0);
    expect(total).toBeGreaterThan(4_000);
    // Seven forms in turn: two of them are broken JSON, two have an unknown shape.
    const share = Math.floor(total / 7);
    for (const kind of ["id", "utf8", "binary"] as const) {
      expect(Math.abs(malformed[kind] - share)).toBeLessThanOrEqual(1);
    }
    for (const kind of ["json", "shape"] as const) {
      expect(Math.abs(malformed[kind] - 2 * share)).toBeLessThanOrEqual(2);
    }
    await aggregator.stop();
    expect((await server.stop()).mistakes).toEqual([]);
  });

  it("closes on an oversize frame, counts it, and comes back", async () => {
    const server = await startServer();
    const { aggregator, of } = await startAggregator(server, { maxFrameBytes: 64 * 1024 });
    for (let round = 1; round <= 3; round += 1) {
      await until(
        "it is connected",
        () => server.isConnected && aggregator.stats().state === "open",
      );
      server.burst(100);
      server.sendOther("x".repeat(100_000));
      await until("it noticed", () => aggregator.stats().malformed.oversize === round);
      await until("it is back", () => aggregator.stats().connections === round + 1);
    }
    await until("it is connected", () => server.isConnected && aggregator.stats().state === "open");
    await aggregator.stop();
    expect(aggregator.stats()).toMatchObject({ counted: 300, gaps: 3 });
    expect(of("disconnected").length).toBeGreaterThanOrEqual(3);
    expect((await server.stop()).mistakes).toEqual([]);
  });
});
