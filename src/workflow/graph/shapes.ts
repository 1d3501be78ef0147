// The usual shapes, written short: a chain, a fan-out, a diamond. Each gives a graph.
import { MillraceError } from "../../core/errors.ts";
import type { Graph, GraphStep, Template } from "./graph.ts";

/** A step of a shape: its name is the job type's unless it says another. */
export interface ShapeStep extends Omit<GraphStep, "needs" | "each"> {
  readonly name?: string;
}

/**
 * One step after the other. A step without an `input` gets what the one before it came to; the first, the run's input.
 *
 * @throws MillraceError `INVALID_GRAPH` for no steps, or two of one name
 * @example
 * chain([{ type: "fetch" }, { type: "resize" }, { type: "upload" }])
 */
export function chain(steps: readonly ShapeStep[]): Graph {
  const named: [string, GraphStep][] = [];
  let before: string | null = null;
  for (const step of steps) {
    named.push(link(step, before === null ? [] : [before], before ?? "input"));
    before = nameOf(step);
  }
  return graphOf(named, before);
}

/**
 * One job for each item of a list, then, if there is one, a step that gets the list of what they came to.
 *
 * @throws MillraceError `INVALID_GRAPH` for two steps of one name
 * @example
 * fanOut({ each: { $from: "input.urls" }, type: "fetch", concurrency: 20 }, { type: "summarize" })
 */
export function fanOut(step: ShapeStep & { readonly each: Template }, then?: ShapeStep): Graph {
  const { name = step.type, ...spread } = step;
  const named: [string, GraphStep][] = [
    [name, { input: { $from: "item" }, ...spread }],
    ...(then === undefined ? [] : [link(then, [name], name)]),
  ];
  return graphOf(named, then === undefined ? name : nameOf(then));
}

/**
 * A first step, several side by side after it, and a last one that gets an object of what those came to, by name.
 *
 * @throws MillraceError `INVALID_GRAPH` for no sides, or two steps of one name
 * @example
 * diamond({ type: "network" }, [{ type: "database" }, { type: "bucket" }], { type: "register" })
 */
export function diamond(first: ShapeStep, sides: readonly ShapeStep[], last: ShapeStep): Graph {
  const top = nameOf(first);
  const names = sides.map(nameOf);
  const all = Object.fromEntries(names.map((name) => [name, { $from: [name] }]));
  const { name, ...rest } = last;
  return graphOf(
    [
      link(first, [], "input"),
      ...sides.map((side) => link(side, [top], top)),
      [name ?? last.type, { input: all, ...rest, needs: names }],
    ],
    sides.length === 0 ? null : nameOf(last),
  );
}

function nameOf(step: ShapeStep): string {
  return step.name ?? step.type;
}

function link(step: ShapeStep, needs: readonly string[], from: string): [string, GraphStep] {
  const { name = step.type, ...rest } = step;
  return [name, { input: { $from: [from] }, ...rest, needs }];
}

function graphOf(named: readonly (readonly [string, GraphStep])[], last: string | null): Graph {
  const steps = Object.fromEntries(named);
  if (last === null || Object.keys(steps).length < named.length) {
    throw new MillraceError("INVALID_GRAPH", {
      message:
        last === null
          ? "the shape has no steps"
          : `two steps have one name in ${named.map(([name]) => name).join(", ")}; give one a name of its own`,
    });
  }
  return { steps, output: { $from: [last] } };
}
