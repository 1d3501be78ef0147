// Waits of months: no shorter than said.
import { expect, test } from "vitest";
import { defineJob } from "../core/define-job.ts";
import { openMillrace } from "../millrace/index.ts";

test("timeouts and waits of months do not end at once", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { promise: running, resolve: tellRunning } = Promise.withResolvers<void>();
  const patient = defineJob({
    name: "patient",
    timeout: "60d",
    run: async ({ signal }) => {
      tellRunning();
      const word = await promise;
      return { word, wasAborted: signal.aborted };
    },
  });
  await using mill = await openMillrace({
    store: "memory:",
    logger: false,
    jobs: [patient],
    worker: { pollInterval: "60d", sweepInterval: "60d" },
  });
  const receipt = await mill.enqueue(patient, null);
  await mill.start();
  const result = receipt.result({ timeout: "60d" });
  await running;
  const stopped = mill.stop(undefined, { grace: "60d" });
  // A timer that is too long for Node fires after a millisecond.
  await new Promise((done) => {
    setTimeout(done, 20);
  });
  resolve("done");
  expect(await result).toEqual({ word: "done", wasAborted: false });
  await stopped;
});
