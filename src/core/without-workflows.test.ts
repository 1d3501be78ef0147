// A store without workflow runs refuses every call about them.
import { expect, test } from "vitest";
import { withoutWorkflows } from "./without-workflows.ts";

test("every call is refused with the store's kind", async () => {
  const methods = withoutWorkflows("tape");
  const unsupported = { code: "UNSUPPORTED", message: expect.stringContaining("tape store") };
  await expect(methods.signal({ signals: [] })).rejects.toMatchObject(unsupported);
  const request = { id: "x", afterEntries: 0, afterFact: null, limit: 1 };
  await expect(methods.readRun(request)).rejects.toMatchObject(unsupported);
});
