// The short forms of U1 to U6.
import { expect, test } from "vitest";
import { brokenInShort } from "../harness/short-form.ts";
import { scenario as u1 } from "./u1.ts";
import { scenario as u2 } from "./u2.ts";
import { scenario as u3 } from "./u3.ts";
import { scenario as u4 } from "./u4.ts";
import { scenario as u5 } from "./u5.ts";
import { scenario as u6 } from "./u6.ts";

test.each([u1, u2, u3, u4, u5, u6])("$id holds: $fault", async (scenario) => {
  expect(await brokenInShort(scenario)).toBe("");
});
