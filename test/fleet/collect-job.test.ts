// A collection as a job: submitted, followed, cancelled.
import { afterEach, expect, test, vi } from "vitest";
import { openMillrace } from "millrace";
import type { Millrace } from "millrace";
import { defineCollectJob } from "millrace/fleet";
import { processesWith, uniqueTag, worker } from "./programs.ts";

const opened: Millrace[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((mill) => mill[Symbol.asyncDispose]()));
});

async function open(tag: string) {
  const numbers = defineCollectJob({
    name: "collect-numbers",
    command: worker("-pace", "20", "-seed", tag),
    url: "http://localhost:{port}/rnd?n={n}",
    maxWorkers: 3,
    maxSamples: 10_000,
  });
  const mill = await openMillrace({ store: "memory:", logger: false, jobs: [numbers] });
  opened.push(mill);
  await mill.start();
  return { mill, numbers };
}

test("gives exactly the samples that were asked for as its result", async () => {
  const { mill, numbers } = await open(uniqueTag());
  const receipt = await mill.enqueue(numbers, { samples: 30, within: "30s" });
  const result = await receipt.result({ timeout: "30s" });
  expect(result).toMatchObject({ outcome: "complete", count: 30 });
  expect(result.values).toHaveLength(30);
});

test("shows how far it is, and leaves no process when it is cancelled", async () => {
  const tag = uniqueTag();
  const { mill, numbers } = await open(tag);
  const receipt = await mill.enqueue(numbers, { samples: 10_000 });
  await vi.waitFor(
    async () => expect((await mill.job(receipt.id))?.progress).toMatchObject({ wanted: 10_000 }),
    30_000,
  );
  await mill.cancel([receipt.id]);
  await expect(receipt.result({ timeout: "30s" })).rejects.toMatchObject({ code: "JOB_CANCELLED" });
  await vi.waitFor(() => expect(processesWith(tag)).toEqual([]), 30_000);
});

test("takes no program from its input, and no more than its bounds", async () => {
  const { mill, numbers } = await open(uniqueTag());
  await expect(mill.enqueue(numbers, { samples: 10_001 })).rejects.toMatchObject({
    code: "INVALID_INPUT",
  });
  await expect(mill.enqueue(numbers, { samples: 1, workers: 4 })).rejects.toMatchObject({
    code: "INVALID_INPUT",
  });
  expect(() => defineCollectJob({ name: "wrong", command: "", url: "", maxWorkers: 1 })).toThrow(
    "can't be asked for samples",
  );
});
