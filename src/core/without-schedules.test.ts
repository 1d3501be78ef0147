// A store without schedules refuses every call about them.
import { expect, test } from "vitest";
import { withoutSchedules } from "./without-schedules.ts";

test("every call is refused with the store's kind", async () => {
  const methods = withoutSchedules("tape");
  const unsupported = { code: "UNSUPPORTED", message: expect.stringContaining("tape store") };
  await expect(methods.changeSchedules({ changes: [] })).rejects.toMatchObject(unsupported);
  await expect(methods.schedules({ kind: "due", limit: 1 })).rejects.toMatchObject(unsupported);
  await expect(methods.tick({ ticks: [] })).rejects.toMatchObject(unsupported);
});
