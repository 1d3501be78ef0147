// Plans a graph: what waits for what, and everything that is wrong with it, before anything runs.
import { checkOptions } from "../../core/arguments.ts";
import { MillraceError, toErrorRecord } from "../../core/errors.ts";
import { TERMS_NAMES, writeTerms } from "../../core/terms.ts";
import { type Graph, type GraphStep, type Template, graphSchema } from "./graph.ts";
import { referencesIn } from "./template.ts";

/** What is wrong, and with which step; `null`: with the graph as a whole. */
export interface GraphProblem {
  readonly step: string | null;
  readonly problem: string;
}

/** A step with all that it waits for. */
export interface PlannedStep extends GraphStep {
  readonly name: string;
  readonly needs: readonly string[];
}

/** A graph that can run. */
export interface GraphPlan {
  /** Each after the steps that it needs. */
  readonly steps: readonly PlannedStep[];
  readonly output: Template;
}

/** Names that a path can begin with and that no step can have. */
const INPUT = "input";
const PER_ITEM: readonly string[] = ["item", "index"];
const OF_UNDO = "output";

/** Problems told in the message; all are in the details. */
const MAX_TOLD_PROBLEMS = 10;

/**
 * Checks a graph whole: its shape, unknown steps and types, references that lead nowhere, cycles.
 *
 * @param isType - whether a job type of this name is known
 * @throws MillraceError `INVALID_GRAPH`, with `details.problems` as {@link GraphProblem}s: all that were found
 */
export function planGraph(graph: unknown, isType: (name: string) => boolean): GraphPlan {
  const parsed = graphSchema.safeParse(graph);
  if (!parsed.success) {
    throw refusal(
      parsed.error.issues.map(({ path, message }) => {
        const [root, step, ...rest] = path.map(String);
        const isOfStep = root === "steps" && step !== undefined;
        const place = isOfStep ? rest.join(".") : path.map(String).join(".");
        return {
          step: isOfStep ? step : null,
          problem: place === "" ? message : `${place}: ${message}`,
        };
      }),
    );
  }
  const { steps, output } = parsed.data;
  const problems: GraphProblem[] = [];
  const planned = Object.entries(steps).map(([name, step]) => {
    const tell = (problem: string): unknown => problems.push({ step: name, problem });
    checkNames(name, step, isType, tell);
    return { ...step, name, needs: needsOf(step, steps, tell) };
  });
  for (const reference of referencesIn(output)) {
    const problem = reference.problem ?? dangling(reference.path[0], steps, [INPUT]);
    if (problem !== null) problems.push({ step: null, problem: `output ${problem}` });
  }
  const { sorted, cycle } = sort(planned);
  if (cycle !== null) {
    problems.push({ step: cycle[0] ?? null, problem: `waits for itself: ${cycle.join(" -> ")}` });
  }
  if (problems.length > 0) throw refusal(problems);
  return { steps: sorted, output: output ?? outputOfEnds(sorted) };
}

function checkNames(
  name: string,
  step: GraphStep,
  isType: (name: string) => boolean,
  tell: (problem: string) => unknown,
): void {
  if ([INPUT, OF_UNDO, ...PER_ITEM].includes(name)) {
    tell(`has a name that references keep for themselves; give it another`);
  }
  for (const type of [step.type, step.undo?.type]) {
    if (type !== undefined && !isType(type))
      tell(`has the unknown job type ${JSON.stringify(type)}`);
  }
  const wrong = problemOfTerms(step);
  if (wrong !== null) tell(`has terms that can't be: ${wrong}`);
  if (step.concurrency !== undefined && step.each === undefined) {
    tell("has a concurrency without an each to bound");
  }
}

function problemOfTerms({ retry, timeout }: GraphStep): string | null {
  try {
    const terms = {
      ...(retry === undefined ? {} : { retry }),
      ...(timeout === undefined ? {} : { timeout }),
    };
    writeTerms(checkOptions(terms, "the step", TERMS_NAMES));
    return null;
  } catch (error) {
    return toErrorRecord(error).message;
  }
}

/** What a step waits for, by name and by reference. */
function needsOf(
  step: GraphStep,
  steps: Graph["steps"],
  tell: (problem: string) => unknown,
): readonly string[] {
  const needs = new Set<string>();
  for (const need of step.needs ?? []) {
    if (Object.hasOwn(steps, need)) needs.add(need);
    else tell(`needs ${JSON.stringify(need)}, which is no step of this graph`);
  }
  const inEach = step.each === undefined ? [] : PER_ITEM;
  const places: readonly (readonly [string, Template, readonly string[]])[] = [
    ["input", step.input, [INPUT, ...inEach]],
    ["each", step.each, [INPUT]],
    ["undo.input", step.undo?.input, [INPUT, OF_UNDO]],
  ];
  for (const [place, template, roots] of places) {
    for (const reference of referencesIn(template)) {
      if (reference.problem !== undefined) {
        tell(`${place} ${reference.problem}`);
        continue;
      }
      const [root] = reference.path;
      const problem = dangling(root, steps, roots);
      if (problem !== null) tell(`${place} ${problem}`);
      else if (!roots.includes(root)) needs.add(root);
    }
  }
  return [...needs];
}

function dangling(root: string, steps: Graph["steps"], roots: readonly string[]): string | null {
  if (roots.includes(root) || Object.hasOwn(steps, root)) return null;
  return `refers to ${JSON.stringify(root)}; expected ${roots.join(", ")} or a step of this graph`;
}

/** Sorts so that each comes after what it needs (Kahn, 1962), and finds a cycle where that can't be. */
function sort(steps: readonly PlannedStep[]): {
  readonly sorted: readonly PlannedStep[];
  readonly cycle: readonly string[] | null;
} {
  const waitsFor = new Map(steps.map((step) => [step.name, step.needs.length]));
  const neededBy = Map.groupBy(
    steps.flatMap((step) => step.needs.map((need) => ({ need, step }))),
    ({ need }) => need,
  );
  const sorted = steps.filter((step) => step.needs.length === 0);
  // Grows while it is walked.
  for (const { name } of sorted) {
    for (const { step } of neededBy.get(name) ?? []) {
      const left = (waitsFor.get(step.name) ?? 0) - 1;
      waitsFor.set(step.name, left);
      if (left === 0) sorted.push(step);
    }
  }
  if (sorted.length === steps.length) return { sorted, cycle: null };
  return { sorted, cycle: cycleIn(steps, new Set(sorted.map((step) => step.name))) };
}

/** Among steps that each wait for another one of them, following what they wait for must come round. */
function cycleIn(steps: readonly PlannedStep[], free: ReadonlySet<string>): readonly string[] {
  const needs = new Map(
    steps.filter((step) => !free.has(step.name)).map((step) => [step.name, step.needs]),
  );
  const way: string[] = [];
  let at = needs.keys().next().value;
  while (at !== undefined && !way.includes(at)) {
    way.push(at);
    at = needs.get(at)?.find((need) => needs.has(need));
  }
  return at === undefined ? way : [...way.slice(way.indexOf(at)), at];
}

/** What the steps came to that no other step needs. */
function outputOfEnds(steps: readonly PlannedStep[]): Template {
  const needed = new Set(steps.flatMap((step) => step.needs));
  const ends = steps.filter((step) => !needed.has(step.name));
  return Object.fromEntries(ends.map(({ name }) => [name, { $from: [name] }]));
}

function refusal(problems: readonly GraphProblem[]): MillraceError {
  const told = problems
    .slice(0, MAX_TOLD_PROBLEMS)
    .map(({ step, problem }) =>
      step === null ? `the graph: ${problem}` : `step ${step} ${problem}`,
    )
    .join("; ");
  const more =
    problems.length > MAX_TOLD_PROBLEMS ? `; and ${problems.length - MAX_TOLD_PROBLEMS} more` : "";
  return new MillraceError("INVALID_GRAPH", {
    message: `the graph can't run: ${told}${more}`,
    details: { problems },
  });
}
