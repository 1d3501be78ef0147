// A store without limits says so, and has none to tell of.
import { expect, test } from "vitest";
import { withoutLimits } from "./without-limits.ts";

test("a store without limits refuses to set or release one, and lists none", async () => {
  const store = withoutLimits("bullmq");
  await expect(store.setLimits({ queue: "mail", limits: [], by: "ops" })).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
  await expect(store.releaseHold({ queue: "mail" })).rejects.toMatchObject({
    code: "UNSUPPORTED",
  });
  expect(await store.limits({})).toEqual([]);
});
