// The short forms of S1 to S3.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as s1 } from "./s1.ts";
import { scenario as s2 } from "./s2.ts";
import { scenario as s3 } from "./s3.ts";

test.each([s1, s2, s3])("$id holds: $fault", async (scenario) => {
  expect(await brokenInShort(scenario)).toBe("");
});
