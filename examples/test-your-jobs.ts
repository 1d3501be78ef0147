// How an application tests its jobs: node --conditions=millrace-source --test examples/test-your-jobs.ts
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Millrace, defineJob, retryAfter } from "millrace";
import { openTestMillrace } from "millrace/testing";
import { z } from "zod";

const mailed: string[] = [];
let isMailServerUp = true;

const sendReceipt = defineJob({
  name: "send-receipt",
  input: z.object({ orderId: z.string() }),
  run: ({ input }) => {
    if (!isMailServerUp) throw retryAfter("10m", "the mail server is down");
    mailed.push(input.orderId);
    return { sent: true };
  },
});

/** What is tested: an application's function that enqueues. */
async function checkOut(mill: Millrace, orderId: string): Promise<void> {
  await mill.enqueue(sendReceipt, { orderId }, { tags: ["shop"] });
}

await test("a job runs when it is enqueued", async () => {
  await using mill = await openTestMillrace({ jobs: [sendReceipt] });
  await checkOut(mill, "o-1");
  assert.deepEqual(mailed, ["o-1"]);
});

await test("what was enqueued can be asserted without running it", async () => {
  await using mill = await openTestMillrace({ jobs: [sendReceipt], mode: "manual" });
  await checkOut(mill, "o-2");
  mill.assertEnqueued(sendReceipt, { input: { orderId: "o-2" }, tags: ["shop"], count: 1 });
  assert.ok(!mailed.includes("o-2"));
});

await test("time passes when the test says so", async () => {
  await using mill = await openTestMillrace({ jobs: [sendReceipt] });
  isMailServerUp = false;
  const receipt = await mill.enqueue(sendReceipt, { orderId: "o-3" });
  assert.equal(receipt.state, "scheduled");
  isMailServerUp = true;
  await mill.advance("10m");
  assert.deepEqual(await receipt.result(), { sent: true });
});
