// The sample of flow control does what it says.
import { expect, test } from "vitest";
import { runFlowControl } from "../../examples/flow-control.ts";

test("the sample shows limits, push-back, uniqueness, debounce, throttle and batches", async () => {
  expect(await runFlowControl("memory:")).toEqual({
    reports: 1,
    newReports: 1,
    report: "report of a-1",
    indexedVersion: 3,
    letters: 1,
    previews: ["new", "dropped"],
    stock: ["cancelled", "stock of s-1"],
    rowsInBatch: 3,
    imported: "acme: a.csv",
    called: "called /busy",
    limits: ["customer: 4", "queue: 10"],
  });
});
