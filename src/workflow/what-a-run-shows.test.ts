// What is shown of a run hides what its types hide.
import { expect, test } from "vitest";
import { defineJob } from "../core/define-job.ts";
import { fatal } from "../core/outcomes.ts";
import { defineWorkflow, graphs, prepareGraph } from "./index.ts";
import { PATIENCE, working } from "./workflows.fixture.ts";

const CARD = "4111111111111111";
const cardOf = (input: unknown): string => (input as { card: string }).card;

const refuse = defineJob({
  name: "refuse",
  redact: ["card"],
  retry: { attempts: 1 },
  run: ({ input }): null => {
    throw new Error(`refused ${cardOf(input)}`);
  },
});

const charge = defineJob({
  name: "charge",
  redact: ["card"],
  timeout: "30d",
  run: async ({ input }) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { card: cardOf(input) };
  },
});

test("a secret of the run's input is in none of its steps, whatever they are", async () => {
  const plain = defineJob({ name: "plain", run: ({ input }) => input });
  const pay = defineWorkflow({
    name: "pay",
    redact: ["card"],
    run: async ({ input, step }) => {
      const card = cardOf(input);
      await step.job(plain, { number: card });
      await step.run("fails", () => Promise.reject(new Error(`no ${card}`))).catch(() => {});
      await step.waitForSignal("confirmed");
      await step.run("succeeds", () => [card], {
        undo: () => {
          throw fatal(`can't give back ${card}`);
        },
      });
      throw new Error(`over with ${card}`);
    },
  });
  const mill = await working([plain, pay]);
  const receipt = await mill.enqueue(pay, { card: CARD });
  await mill.runs.signal(receipt.id, "confirmed", { by: CARD });
  await mill.wait(receipt.id, PATIENCE);
  const run = await mill.runs.get(receipt.id);
  expect(run?.steps.map(({ name }) => name)).toEqual([
    "plain",
    "fails",
    "confirmed",
    "succeeds",
    "undo succeeds",
  ]);
  expect(run?.notUndone).toMatchObject([
    { step: 4, error: { message: "can't give back [redacted]" } },
  ]);
  expect(JSON.stringify(run)).not.toContain(CARD);
});

test("an undo that failed hides what its own type hides", async () => {
  const saga = defineWorkflow({
    name: "saga",
    run: async ({ step }) => {
      await step.run("charge", () => 1, { undo: { job: refuse, input: () => ({ card: CARD }) } });
      throw new Error("over");
    },
  });
  const mill = await working([refuse, saga]);
  const receipt = await mill.enqueue(saga, null);
  await mill.wait(receipt.id, PATIENCE);
  const run = await mill.runs.get(receipt.id);
  expect(run?.notUndone).toMatchObject([{ step: 1, error: { message: "refused [redacted]" } }]);
  expect(JSON.stringify(run)).not.toContain(CARD);
});

test("a handler that a run calls on its host may take a month, and its error hides what its type hides", async () => {
  const here = defineWorkflow({
    name: "here",
    stayOnHost: true,
    run: async ({ step }) => {
      const { card } = await step.job(charge, { card: CARD });
      await step.job(refuse, { card });
    },
  });
  const mill = await working([charge, refuse, here]);
  const receipt = await mill.enqueue(here, null);
  await mill.wait(receipt.id, PATIENCE);
  const run = await mill.runs.get(receipt.id);
  expect(run?.error?.message).toBe("step 2 (refuse) failed: refused [redacted]");
});

test("a graph that comes as data hides what its runner was told to", async () => {
  const anyGraph = graphs([charge], { redact: ["*.card"] });
  const mill = await working([charge, anyGraph]);
  const graph = { steps: { charge: { type: "charge", input: { $from: "input" } } } };
  const posted = prepareGraph(graph, { card: CARD }, await mill.types());
  const receipt = await mill.enqueue(anyGraph, posted);
  await receipt.result(PATIENCE);
  const run = await mill.runs.get(receipt.id);
  expect(run?.input).toMatchObject({ input: { card: "[redacted]" } });
  expect(JSON.stringify(await mill.job(receipt.id))).not.toContain(CARD);
  expect(JSON.stringify(run)).not.toContain(CARD);
});
