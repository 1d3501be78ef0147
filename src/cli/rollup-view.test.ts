import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { Aggregator, type AggregatorNotice } from "../rollup/index.ts";
import { LiveView, noticeLine, viewLines } from "./rollup-view.ts";

const ROW = { source: "a", destination: "b", count: 1_234 };

describe("the live view", () => {
  it("shows the figures of the moment, kinds of malformed frames only where there are some", () => {
    const stats = new Aggregator().stats();
    const quiet = viewLines({ ...stats, remainingMs: 59_100 }, 1_500.4, [ROW]);
    expect(quiet[0]).toBe("connecting  1,500 messages/s  next report in 60 s");
    expect(quiet.at(-2)).toBe("malformed none");
    expect(quiet.at(-1)).toBe("       1,234  a > b");
    const malformed = { ...stats.malformed, json: 2, oversize: 1 };
    expect(viewLines({ ...stats, malformed }, 0, [])).toContain("malformed 2 json, 1 oversize");
  });

  it("prints lines and no figures where there is no terminal", () => {
    const out = new PassThrough();
    const view = new LiveView(out);
    view.start(new Aggregator());
    view.tell("connected");
    view.stop();
    expect(String(out.read())).toBe("connected\n");
  });

  it.each<[AggregatorNotice, string]>([
    [{ kind: "connected", connection: 1, gapMs: 0 }, "connected"],
    [{ kind: "connected", connection: 2, gapMs: 1_500 }, "connected again after 1.5 s"],
    [
      { kind: "disconnected", connection: 1, received: 3, code: 1006, reason: "", retryInMs: 250 },
      "not connected (code 1006); next try in 0.3 s",
    ],
    [{ kind: "report", fate: "delivered", sequence: 3, earlier: false }, "report 3: delivered"],
    [
      { kind: "report", fate: "kept", sequence: 3, earlier: true },
      "report 3 of an earlier run: kept",
    ],
  ])("says a notice in one line: %j", (notice, line) => {
    expect(noticeLine(notice)).toBe(line);
  });
});
