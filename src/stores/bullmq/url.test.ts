// URLs of BullMQ stores.
import { expect, test } from "vitest";
import { describeBullmqLocation, readBullmqUrl } from "./url.ts";

test.each([
  ["bullmq+redis://h:1", "bullmq+redis://h:1?prefix=bull"],
  ["bullmq+rediss://me:secret@h:1/2?prefix=jobs", "bullmq+rediss://h:1/2?prefix=jobs"],
  ["bullmq+redis+cluster://h:1,i:2", "bullmq+redis+cluster://h:1,i:2?prefix={bull}"],
  [
    "bullmq+redis+cluster://h:1?prefix={bull}:live",
    "bullmq+redis+cluster://h:1?prefix={bull}:live",
  ],
  ["bullmq+redis+sentinel://h:1/main", "bullmq+redis+sentinel://h:1/main?prefix=bull"],
])("%s is read, and shown without credentials", (url, shown) => {
  expect(describeBullmqLocation(readBullmqUrl(url))).toBe(shown);
});

test.each([
  ["redis://h", "none of bullmq"],
  ["bullmq://h", "none of bullmq"],
  ["bullmq+redis+cluster://h?prefix=bull", "hash tag"],
  ["bullmq+redis://h?prefix=a b", "expected letters"],
  ["bullmq+redis://h?partitions=*:3", "has none of it"],
])("%s is refused", (url, why) => {
  expect(() => readBullmqUrl(url)).toThrow(why);
});
