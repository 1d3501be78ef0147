// Lists of jobs on the screen, where a store finds few in one page.
import { expect, test } from "vitest";
import { defineJob } from "../core/index.ts";
import { openMillrace } from "../millrace/index.ts";
import { findJobs } from "./find-jobs.ts";

test("a list goes on through pages in which nothing is found", async () => {
  const pay = defineJob({ name: "pay", run: () => {} });
  await using mill = await openMillrace({ store: "memory:", jobs: [pay], logger: false });
  for (const from of [0, 1_000, 2_000]) {
    const page = Array.from({ length: 1_000 }, (_, n) => ({ order: from + n }));
    await mill.enqueueMany(pay, page);
  }
  const query = { input: { order: 3 }, limit: 20 };
  expect(await mill.jobs(query)).toMatchObject({ jobs: [], cursor: expect.any(String) });
  const found = await findJobs(mill, query);
  expect(found.jobs.map(({ input }) => input)).toEqual([{ order: 3 }]);
  expect(found.cursor).toBeUndefined();
});
