// Workflow runs of random shapes, what each is to come to, and a watch over the handlers of their steps.
import { setTimeout as pause } from "node:timers/promises";
import { type JobType, defineJob } from "../core/define-job.ts";
import { createChance } from "./run/chance.ts";
import { type Steps, type WorkflowType, defineWorkflow } from "./index.ts";

/** How often each step is tried. */
const TRIES = 3;
/** How many of the narrow type run at once. */
export const NARROW = 2;

/** What a run does. Each leaf counts 1 where it succeeds. */
export type Plan =
  | {
      readonly kind: "step";
      readonly type: "work" | "narrow";
      readonly id: number;
      readonly ms: number;
      readonly failures: number;
      readonly tells: boolean;
    }
  | { readonly kind: "local"; readonly ms: number }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "throw" }
  | { readonly kind: "run"; readonly plan: Plan }
  | {
      readonly kind: "sequence" | "all" | "map" | "race";
      readonly parts: readonly Plan[];
      readonly concurrency: number;
    };

type Leaf = Extract<Plan, { kind: "step" }>;

/** Makes plans. */
export class Planner {
  readonly #chance: { random(): number };
  #lastId = 0;

  constructor(seed: string) {
    this.#chance = createChance(`plans ${seed}`);
  }

  /** A whole number from 0, below a bound. */
  below(count: number): number {
    return Math.floor(this.#chance.random() * count);
  }

  #step(mayFail: boolean): Leaf {
    this.#lastId += 1;
    return {
      kind: "step",
      type: this.below(3) === 0 ? "narrow" : "work",
      id: this.#lastId,
      ms: this.below(3) === 0 ? 1 + this.below(60) : this.below(2),
      failures: mayFail && this.below(6) === 0 ? 1 + this.below(TRIES) : 0,
      tells: this.below(10) === 0,
    };
  }

  #parts(make: () => Plan): readonly Plan[] {
    return Array.from({ length: 1 + this.below(6) }, make);
  }

  plan(depth = 3): Plan {
    const dice = depth === 0 ? 0 : this.below(14);
    const concurrency = 1 + this.below(4);
    if (dice < 5) return this.#step(true);
    if (dice === 5) return { kind: this.below(2) === 0 ? "local" : "sleep", ms: this.below(20) };
    if (dice === 6) return this.below(8) === 0 ? { kind: "throw" } : this.#step(true);
    if (dice === 7) return { kind: "run", plan: this.plan(depth - 1) };
    if (dice < 10) return { kind: "map", parts: this.#parts(() => this.#step(true)), concurrency };
    if (dice === 10)
      return { kind: "race", parts: this.#parts(() => this.#step(false)), concurrency };
    const parts = this.#parts(() => this.plan(depth - 1));
    return { kind: dice === 11 ? "sequence" : "all", parts, concurrency };
  }
}

/** How many leaves succeed; `null`: it throws. */
export function expected(plan: Plan): number | null {
  if (plan.kind === "step") return plan.failures < TRIES ? 1 : 0;
  if (plan.kind === "local" || plan.kind === "sleep" || plan.kind === "race") return 1;
  if (plan.kind === "throw") return null;
  if (plan.kind === "run") return expected(plan.plan) ?? 0;
  let sum = 0;
  for (const part of plan.parts) {
    const each = expected(part);
    if (each === null) return null;
    sum += each;
  }
  return sum;
}

/** What runs at once. */
export class Watch {
  running = 0;
  most = 0;
  narrow = 0;
  mostNarrow = 0;
  readonly #leaves = new Map<number, number>();
  /** Steps that ran twice at once. */
  twice = 0;

  begin(leaf: Leaf, type: string): () => void {
    const isNarrow = type === "narrow" ? 1 : 0;
    this.running += 1;
    this.narrow += isNarrow;
    this.most = Math.max(this.most, this.running);
    this.mostNarrow = Math.max(this.mostNarrow, this.narrow);
    const here = (this.#leaves.get(leaf.id) ?? 0) + 1;
    if (here > 1) this.twice += 1;
    this.#leaves.set(leaf.id, here);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.running -= 1;
      this.narrow -= isNarrow;
      this.#leaves.set(leaf.id, (this.#leaves.get(leaf.id) ?? 1) - 1);
    };
  }
}

/** The job types of what `tree` runs, and itself. */
export interface Trees {
  readonly work: JobType<unknown, unknown, number>;
  readonly narrow: JobType<unknown, unknown, number>;
  readonly tree: WorkflowType<unknown, unknown, number>;
}

function leafType(
  watch: Watch,
  name: Leaf["type"],
  concurrency: number,
): JobType<unknown, unknown, number> {
  return defineJob({
    name,
    concurrency,
    retry: { attempts: TRIES, backoff: () => 0 },
    run: async ({ input, signal, job, log }): Promise<number> => {
      const leaf = input as Leaf;
      const end = watch.begin(leaf, name);
      signal.addEventListener("abort", end);
      try {
        if (leaf.tells) log.info("told");
        if (leaf.ms === 1) await new Promise(setImmediate);
        else if (leaf.ms > 1) await pause(leaf.ms, undefined, { signal });
        if (job.attempt <= leaf.failures) throw new Error(`try ${job.attempt}`);
        return 1;
      } finally {
        end();
      }
    },
  });
}

/** Makes them. */
export function treesOf(watch: Watch): Trees {
  const work = leafType(watch, "work", 100);
  const narrow = leafType(watch, "narrow", NARROW);
  const tree: Trees["tree"] = defineWorkflow({
    name: "tree",
    run: async ({ input, step }): Promise<number> =>
      perform({ work, narrow, tree }, step, input as Plan),
  });
  return { work, narrow, tree };
}

async function perform(types: Trees, step: Steps, plan: Plan): Promise<number> {
  switch (plan.kind) {
    case "step":
      return step.job(types[plan.type], plan).catch(() => 0);
    case "local":
      return step.run("local", async () => pause(plan.ms, 1));
    case "sleep":
      await step.sleep(plan.ms);
      return 1;
    case "throw":
      throw new Error("as planned");
    case "run":
      return step.job(types.tree, plan.plan).catch(() => 0);
    case "map": {
      const outcomes = await step.map(types.work, plan.parts, {
        concurrency: plan.concurrency,
      });
      return outcomes.filter(({ ok }) => ok).length;
    }
    case "race":
      return step.race(
        plan.parts.map((part) => async (branch: Steps) => perform(types, branch, part)),
      );
    case "sequence": {
      let sum = 0;
      for (const part of plan.parts) sum += await perform(types, step, part);
      return sum;
    }
    case "all": {
      const sums = await Promise.all(plan.parts.map(async (part) => perform(types, step, part)));
      return sums.reduce((a, b) => a + b, 0);
    }
  }
}
