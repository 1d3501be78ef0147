// `millrace requeue`: a job that waits and may not move is told of with the reason.
import { join } from "node:path";
import { expect, test } from "vitest";
import { defineJob, openMillrace } from "../../src/index.ts";
import { run, scratch } from "./command-line.ts";

const nothing = () => null;
const keyed = defineJob({ name: "keyed", limits: [{ key: "customer" }], run: nothing });
const single = defineJob({ name: "single", unique: true, run: nothing });
const plain = defineJob({ name: "plain", run: nothing });
const REASON =
  "parts of workflows, unique and debounced jobs, and jobs that count under the keys of limits stay in their queue";

test("a job that waits and did not move is told of with the reason, not with its state", async () => {
  await using place = await scratch();
  const store = `sqlite:${join(place.path, "jobs.db")}`;
  const mill = await openMillrace({ store, jobs: [keyed, single, plain], logger: false });
  const { id } = await mill.enqueue(keyed, { customer: "acme" }, { delay: "1h" });
  const { id: unique } = await mill.enqueue(single, {});
  const { id: free } = await mill.enqueue(plain, {});
  await mill.close();
  const requeue = (...args: readonly string[]) => run(["requeue", ...args, "--store", store]);

  expect(await requeue("plain", id, unique, free)).toMatchObject({
    code: 4,
    out: `${id} stays: ${REASON}\n${unique} stays: ${REASON}\n${free} stays: it is in plain already\n`,
  });
  expect((await requeue("plain", "--type", "keyed")).out).toBe(
    `0 moved, 1 not: their state does not allow it; ${REASON}\n`,
  );
  const asJson = await requeue("plain", id, "--json");
  expect(asJson.code).toBe(4);
  expect(JSON.parse(asJson.out)).toEqual([{ id, changed: false, state: "scheduled" }]);

  await run(["drain", "single", "--store", store]);
  expect(await requeue("single", free)).toMatchObject({
    code: 4,
    out: `${free} stays: single drains and takes nothing in until millrace resume single\n`,
  });
  await run(["cancel", free, "--store", store]);
  // There the state is the reason.
  expect(await requeue("keyed", free)).toMatchObject({
    code: 4,
    out: `${free} is cancelled: not changed\n`,
  });
});
