// Who could take a job, and what else they take.
import { expect, test } from "vitest";
import { isTaken, takersOf } from "./takers.ts";

const job = { queue: "mail", type: "mail", labels: [] };
const worker = { queues: ["mail"], types: ["mail", "a"], labels: ["x"] };

test("workers that take the same are told once, and those that can't take the job not at all", () => {
  const workers = [
    worker,
    { ...worker, types: ["a", "mail"] },
    { ...worker, labels: [] },
    { ...worker, queues: ["other"], labels: ["y"] },
    { ...worker, types: ["a"], labels: ["z"] },
  ];
  expect(takersOf(job, workers)).toEqual([
    { types: ["a", "mail"], labels: ["x"] },
    { types: ["a", "mail"], labels: [] },
  ]);
  expect(takersOf({ ...job, labels: ["x"] }, workers)).toEqual([
    { types: ["a", "mail"], labels: ["x"] },
  ]);
});

test("where no worker can take a job, one counts that offers just its labels", () => {
  const takers = takersOf({ ...job, labels: ["gpu"] }, [worker]);
  expect(takers).toEqual([{ labels: ["gpu"] }]);
  expect(isTaken({ type: "any", labels: [] }, takers)).toBe(true);
  expect(isTaken({ type: "any", labels: ["gpu"] }, takers)).toBe(true);
  expect(isTaken({ type: "any", labels: ["x"] }, takers)).toBe(false);
});
