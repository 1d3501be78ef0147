// Ids of jobs that other producers added, and their order.
import { expect, test } from "vitest";
import { createIdMaker, isJobId, queueHash } from "../../core/ids.ts";
import { idOf } from "./records.ts";

test("a job of another producer has an id of the usual form, always the same, which names its queue", () => {
  for (const bullId of ["1", "order-7", "repeat:abc:1700000000000", "018f0000-aaaa"]) {
    const id = idOf("mail", bullId, 1_700_000_000_000);
    expect(isJobId(id)).toBe(true);
    expect(idOf("mail", bullId, 1_700_000_000_000)).toBe(id);
    expect(Number.parseInt(id.slice(-4), 16)).toBe(queueHash("mail"));
    expect(idOf("post", bullId, 1_700_000_000_000)).not.toBe(id);
  }
});

test("jobs that a producer added within one millisecond are in the order in which BullMQ counted them", () => {
  const ids = Array.from({ length: 300 }, (_, n) => idOf("mail", String(n + 1), 1_700_000_000_000));
  expect(ids.toSorted()).toEqual(ids);
});

test("a job that Millrace added keeps its id", () => {
  const make = createIdMaker({ now: Date.now, randomBytes: (length) => new Uint8Array(length) });
  const id = make("mail");
  expect(idOf("mail", id, 0)).toBe(id);
  expect(idOf("post", id, 0)).not.toBe(id);
});
