// What a process counts of its jobs can be read, from the minute that is over on.
import { describe, expect, test } from "vitest";
import { defineJob, windowStartMs } from "../core/index.ts";
import { openMillrace } from "../millrace/index.ts";

describe("figures", () => {
  test("of a process that stops are kept: outcomes, waits and run times, by type", async () => {
    const steady = defineJob({ name: "steady", run: () => null });
    const flaky = defineJob({
      name: "flaky",
      retry: { attempts: 2, backoff: [0] },
      run: () => {
        throw new Error("no");
      },
    });
    await using mill = await openMillrace({
      store: "memory:",
      logger: false,
      jobs: [steady, flaky],
    });
    const receipts = await mill.enqueueMany(steady, [1, 2, 3]);
    const failing = await mill.enqueue(flaky, null);
    await mill.start();
    await Promise.all(receipts.map(async (receipt) => receipt.result()));
    await expect(failing.result()).rejects.toMatchObject({ code: "JOB_FAILED" });
    await mill.stop();
    const { nowMs } = await mill.describe();
    // The run may have been cut by the turn of a minute.
    const minutes = await mill.figures({ since: nowMs - windowStartMs("minute", nowMs) + 60_000 });
    const sum = (type: string, outcome: string): number =>
      minutes
        .filter((each) => each.type === type)
        .reduce((total, each) => total + (each.outcomes[outcome] ?? 0), 0);
    expect(sum("steady", "succeeded")).toBe(3);
    expect(sum("flaky", "retried")).toBe(1);
    expect(sum("flaky", "failed")).toBe(1);
    const [hour] = await mill.figures({ resolution: "hour", type: "steady" });
    expect(hour?.runMs.p99).toBeLessThan(60_000);
    expect(hour?.waitMs.p50).toBeGreaterThanOrEqual(0);
  });
});
