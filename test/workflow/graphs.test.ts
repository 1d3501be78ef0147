// Graphs as they run: what waits for what, fan-outs, failures that may be, undos, and references that lead nowhere.
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type Graph,
  type Millrace,
  defineGraph,
  defineJob,
  diamond,
  fanOut,
  fatal,
  graphs,
  openMillrace,
  prepareGraph,
} from "millrace";

const order: string[] = [];
const note = defineJob({
  name: "note",
  run: ({ input }) => {
    order.push((input as { readonly name: string }).name);
    return input;
  },
});
const double = defineJob({ name: "double", run: ({ input }) => 2 * (input as number) });
const refuse = defineJob({
  name: "refuse",
  run: ({ input }) => {
    throw fatal(`refused ${JSON.stringify(input)}`);
  },
});
const sum = defineJob({
  name: "sum",
  run: ({ input }) =>
    Object.values(input as object).reduce(
      (total: number, each: number | null) => total + (each ?? 0),
      0,
    ),
});
const types = [note, double, refuse, sum];
const runsGraphs = graphs(types);

/** A step that notes when it ran. */
const noted = (name: string, needs: readonly string[] = []) =>
  ({ type: "note", needs, input: { name } }) as const;
/** An undo that does. */
const undo = (name: string) => ({ type: "note", input: { name, made: { $from: "output" } } });

let mill: Millrace;
beforeEach(async () => {
  order.length = 0;
  mill = await openMillrace({ store: "memory:", jobs: [...types, runsGraphs], logger: false });
  await mill.start();
});
afterEach(() => mill.close());

async function run(graph: Graph, input: unknown = null): Promise<unknown> {
  const posted = prepareGraph(graph, input, await mill.types());
  return (await mill.enqueue(runsGraphs, posted)).result({ timeout: "30s" });
}

test("a step runs when all that it needs have, and gets what they came to", async () => {
  const graph = diamond(
    { name: "top", type: "double", input: { $from: "input.start" } },
    [
      { name: "left", type: "double" },
      { name: "right", type: "double", input: 1 },
    ],
    { type: "sum" },
  );
  expect(await run(graph, { start: 3 })).toBe(14);
});

test("steps side by side do not wait for each other, and steps in need do", async () => {
  const result = await run({
    steps: { c: noted("c", ["b"]), b: noted("b", ["a"]), a: noted("a"), other: noted("other") },
  });
  expect(order.filter((name) => name !== "other")).toEqual(["a", "b", "c"]);
  expect(result).toEqual({ c: { name: "c" }, other: { name: "other" } });
});

test("a step for each of a list comes to the list of what they came to", async () => {
  const graph = fanOut(
    { type: "double", each: { $from: "input" }, concurrency: 3 },
    { type: "sum" },
  );
  expect(await run(graph, [1, 2, 3, 4, 5])).toBe(30);
  expect(await run(graph, [])).toBe(0);
});

test("a failure that may be comes to null, and one that may not fails the run", async () => {
  const steps = {
    bad: { type: "refuse", mayFail: true },
    after: { type: "sum", input: { x: { $from: "bad" } } },
  };
  expect(await run({ steps })).toEqual({ after: 0 });
  await expect(run({ steps: { bad: { type: "refuse" } } })).rejects.toMatchObject({
    cause: { code: "STEP_FAILED" },
  });
});

test("what fails is undone by the steps that say how", async () => {
  const graph = {
    steps: {
      first: { type: "double", input: 1, undo: undo("undo first") },
      second: { type: "double", input: { $from: "first" }, undo: undo("undo second") },
      third: { type: "refuse", needs: ["second"] },
    },
  };
  await expect(run(graph)).rejects.toMatchObject({ code: "JOB_FAILED" });
  expect(order).toEqual(["undo second", "undo first"]);
});

test("a reference that leads nowhere, and an each over no list, fail the run and say where", async () => {
  const lost = { steps: { a: { type: "note", input: { $from: "input.x.y" } } } };
  await expect(run(lost, { x: 1 })).rejects.toThrow("input.x has no");
  const noList = { steps: { a: { type: "note", each: { $from: "input" } } } };
  await expect(run(noList, 7)).rejects.toThrow("step a is for each of a number");
});

test("a graph is refused before anything runs", async () => {
  const graph = { steps: { a: { type: "note" }, b: { type: "nothing" } } };
  await expect(run(graph)).rejects.toMatchObject({
    code: "INVALID_GRAPH",
    message: expect.stringContaining('step b has the unknown job type "nothing"'),
  });
  expect(order).toEqual([]);
});

test("a workflow can be declared by its graph", async () => {
  const twice = defineGraph({
    name: "twice",
    jobs: types,
    graph: {
      steps: {
        once: { type: "double", input: { $from: "input" } },
        again: { type: "double", input: { $from: "once" } },
      },
    },
  });
  await mill.start(twice);
  expect(await (await mill.enqueue(twice, 5)).result({ timeout: "30s" })).toEqual({ again: 20 });
  expect(() =>
    defineGraph({ name: "x", jobs: [], graph: { steps: { a: { type: "double" } } } }),
  ).toThrow('unknown job type "double"');
});
