import {
  array,
  assert,
  integer,
  jsonValue,
  nat,
  property,
  shuffledSubarray,
  tuple,
} from "fast-check";
import { describe, expect, it } from "vitest";
import { isMillraceError } from "../../core/errors.ts";
import type { GraphProblem } from "./plan.ts";
import { planGraph } from "./plan.ts";

const anyType = (_name: string): boolean => true;

function problemsOf(graph: unknown, isType = anyType): readonly GraphProblem[] {
  try {
    planGraph(graph, isType);
    return [];
  } catch (error) {
    if (!isMillraceError(error, "INVALID_GRAPH")) throw error;
    return error.details["problems"] as readonly GraphProblem[];
  }
}

const namesOf = (graph: unknown): readonly string[] =>
  planGraph(graph, anyType).steps.map((step) => step.name);

describe("what waits for what", () => {
  it("is what a step needs, and what it refers to", () => {
    const plan = planGraph(
      {
        steps: {
          register: {
            type: "t",
            needs: ["bucket"],
            input: { at: [{ $from: "database.host" }], who: { $from: "input.tenant" } },
          },
          bucket: { type: "t", needs: ["network"] },
          database: { type: "t", input: { $from: ["network", "id"] } },
          network: { type: "t" },
        },
      },
      anyType,
    );
    const needs = Object.fromEntries(plan.steps.map((step) => [step.name, step.needs.toSorted()]));
    expect(needs).toEqual({
      network: [],
      bucket: ["network"],
      database: ["network"],
      register: ["bucket", "database"],
    });
    expect(plan.output).toEqual({ register: { $from: ["register"] } });
  });

  it("orders every step after what it needs", () => {
    const graph = integer({ min: 1, max: 30 }).chain((count) =>
      tuple(
        shuffledSubarray(
          Array.from({ length: count }, (_, index) => index),
          { minLength: count },
        ),
        array(tuple(nat(count - 1), nat(count - 1)), { maxLength: 60 }),
      ),
    );
    assert(
      property(graph, ([order, edges]) => {
        // An edge leads from the earlier to the later in a random order, so there is no cycle.
        const steps = Object.fromEntries(
          order.map((step, place) => {
            const needs = edges
              .filter(([from, to]) => to === place && from < to)
              .map(([from]) => `s${order[from]}`);
            return [`s${step}`, { type: "t", needs: [...new Set(needs)] }];
          }),
        );
        const sorted = planGraph({ steps }, anyType).steps;
        const placeOf = new Map(sorted.map((step, place) => [step.name, place]));
        expect(sorted.length).toBe(order.length);
        for (const step of sorted) {
          for (const need of step.needs) {
            expect(placeOf.get(need)).toBeLessThan(placeOf.get(step.name) ?? -1);
          }
        }
      }),
    );
  });
});

describe("what is wrong is named", () => {
  it.each([
    [
      "a cycle",
      {
        a: { type: "t", needs: ["c"] },
        b: { type: "t", needs: ["a"] },
        c: { type: "t", input: { $from: "b" } },
      },
      "a",
      "waits for itself: a -> c -> b -> a",
    ],
    [
      "a step that needs itself",
      { a: { type: "t", needs: ["a"] } },
      "a",
      "waits for itself: a -> a",
    ],
    ["an unknown step", { a: { type: "t", needs: ["b"] } }, "a", 'needs "b", which is no step'],
    [
      "a dangling reference",
      { a: { type: "t", input: { x: { $from: "b.c" } } } },
      "a",
      'input refers to "b"',
    ],
    [
      "an item without an each",
      { a: { type: "t", input: { $from: "item" } } },
      "a",
      'input refers to "item"',
    ],
    [
      "a reference that is no path",
      { a: { type: "t", input: { $from: 7 } } },
      "a",
      "has the reference 7",
    ],
    [
      "an empty key",
      { a: { type: "t", input: { $from: "input..x" } } },
      "a",
      'has the reference "input..x"',
    ],
    [
      "a name that references keep",
      { input: { type: "t" } },
      "input",
      "references keep for themselves",
    ],
    [
      "a bound without an each",
      { a: { type: "t", concurrency: 2 } },
      "a",
      "a concurrency without an each",
    ],
    [
      "a policy with a name that none has",
      { a: { type: "t", retry: { attemps: 2 } } },
      "a",
      'has the unknown name "attemps" in retry; did you mean attempts?',
    ],
    [
      "a timeout of nothing",
      { a: { type: "t", timeout: 0 } },
      "a",
      "has terms that can't be: timeout is 0; expected at least 1 ms",
    ],
    [
      "terms that can't be",
      { a: { type: "t", retry: { attempts: 0 } } },
      "a",
      "has terms that can't be: retry.attempts is 0",
    ],
    ["an unknown field", { a: { type: "t", need: ["b"] } }, "a", "need"],
    ["a step without a type", { a: {} }, "a", "type"],
  ])("%s", (_, steps, step, problem) => {
    expect(problemsOf({ steps })).toContainEqual({
      step,
      problem: expect.stringContaining(problem),
    });
  });

  it("an unknown type, of an undo too", () => {
    const steps = { a: { type: "made", undo: { type: "unmade" } } };
    expect(problemsOf({ steps }, (name) => name === "made")).toEqual([
      { step: "a", problem: 'has the unknown job type "unmade"' },
    ]);
  });

  it("an output that refers to nothing", () => {
    expect(problemsOf({ steps: { a: { type: "t" } }, output: { $from: "b" } })).toEqual([
      { step: null, problem: expect.stringContaining('output refers to "b"') },
    ]);
  });

  it("all of it at once", () => {
    const problems = problemsOf({
      steps: { a: { type: "t", needs: ["x"] }, b: { type: "t", needs: ["y"] } },
    });
    expect(problems.map(({ step }) => step)).toEqual(["a", "b"]);
  });

  it.each([[null], [[]], ["steps"], [{}], [{ steps: {} }], [{ steps: { "": { type: "t" } } }]])(
    "a graph that is none: %j",
    (graph) => {
      expect(problemsOf(graph).length).toBeGreaterThan(0);
    },
  );

  it("whatever garbage comes, as an error of its own", () => {
    assert(
      property(jsonValue(), (garbage) => {
        expect(() => problemsOf({ steps: garbage, output: garbage })).not.toThrow();
      }),
    );
  });
});

it("steps without needs keep the order in which they were written", () => {
  expect(namesOf({ steps: { b: { type: "t" }, a: { type: "t" } } })).toEqual(["b", "a"]);
});
