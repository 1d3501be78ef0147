// Steps that a store does not hand to their run's worker: they are claimed at once all the same.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Store, defineJob, defineWorkflow, openMillrace } from "millrace";
import type { ChildJob } from "../../src/core/run.ts";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";

/** Waiting for a look by the clock would cost each of the steps half a second. */
const STEPS = 60;
const PATIENCE_MS = 20_000;

const add = defineJob({ name: "add", run: ({ input }) => (input as number) + 1 });
const chain = defineWorkflow({
  name: "chain",
  run: async ({ step }) => {
    let sum = 0;
    for (let count = 0; count < STEPS; count += 1) sum = await step.job(add, sum);
    return sum;
  },
});

function withoutToken(child: ChildJob): ChildJob {
  const { token: _, ...rest } = child;
  return rest;
}

/** A store that hands no child over. */
function withoutHandOver(store: Store): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (name !== "exchange") return typeof member === "function" ? member.bind(target) : member;
      const exchange: Store["exchange"] = async (request) =>
        target.exchange({
          ...request,
          ...(request.advances === undefined
            ? {}
            : {
                advances: request.advances.map(({ children, ...advance }) => ({
                  ...advance,
                  children: (children ?? []).map(withoutToken),
                })),
              }),
        });
      return exchange;
    },
  });
}

test(
  "a step that was not handed over is claimed without waiting for the clock",
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "millrace-steps-"));
    const path = join(directory, "jobs.db");
    const kept = await openSqliteStore({ path, namespace: "default", durability: "os" });
    const store = withoutHandOver(kept);
    const worker = { concurrency: 1 };
    const mill = await openMillrace({ store, jobs: [add, chain], logger: false, worker });
    try {
      await mill.start();
      const receipt = await mill.enqueue(chain, null);
      expect(await receipt.result({ timeout: PATIENCE_MS })).toBe(STEPS);
    } finally {
      await mill.close();
      await kept.close();
      await rm(directory, { recursive: true, force: true });
    }
  },
);
