import { describe, expect, it } from "vitest";
import { planGraph } from "./plan.ts";
import { chain, diamond, fanOut } from "./shapes.ts";

const needsOf = (graph: unknown): unknown =>
  Object.fromEntries(planGraph(graph, () => true).steps.map(({ name, needs }) => [name, needs]));

describe("shapes", () => {
  it("a chain hands on from step to step", () => {
    const graph = chain([{ type: "fetch" }, { name: "small", type: "resize" }, { type: "upload" }]);
    expect(needsOf(graph)).toEqual({ fetch: [], small: ["fetch"], upload: ["small"] });
    expect(graph.steps["fetch"]?.input).toEqual({ $from: ["input"] });
    expect(graph.steps["upload"]?.input).toEqual({ $from: ["small"] });
    expect(graph.output).toEqual({ $from: ["upload"] });
  });

  it("a fan-out is one job an item, with a step for all", () => {
    const graph = fanOut({ type: "hash", each: { $from: "input.files" } }, { type: "sum" });
    expect(needsOf(graph)).toEqual({ hash: [], sum: ["hash"] });
    expect(graph.output).toEqual({ $from: ["sum"] });
    expect(fanOut({ type: "hash", each: [1, 2] }).output).toEqual({ $from: ["hash"] });
  });

  it("a diamond gathers its sides by name", () => {
    const graph = diamond({ type: "a" }, [{ type: "b.1" }, { type: "c" }], { type: "d" });
    expect(needsOf(graph)).toEqual({ a: [], "b.1": ["a"], c: ["a"], d: ["b.1", "c"] });
    expect(graph.steps["d"]?.input).toEqual({ "b.1": { $from: ["b.1"] }, c: { $from: ["c"] } });
  });

  it("two steps of one name, and a shape of nothing, are refused", () => {
    expect(() => chain([{ type: "a" }, { type: "a" }])).toThrow("two steps have one name in a, a");
    expect(() => chain([])).toThrow("no steps");
    expect(() => diamond({ type: "a" }, [], { type: "b" })).toThrow("no steps");
  });
});
