// How wrong values are told.
import { expect, test } from "vitest";
import { tellValue } from "./arguments.ts";

test.each([
  ["redis://ann:secret@host:1/0", '"redis://***@host:1/0"'],
  [["redis://:secret@host"], '["redis://***@host"]'],
  [{ url: "rediss://ann:se@cret@host", other: "a@b" }, '{"url":"rediss://***@host","other":"a@b"}'],
  ["ann@example.org", '"ann@example.org"'],
  [{ at: "http://host/a@b" }, '{"at":"http://host/a@b"}'],
])("%o is told without the credentials of URLs in it", (value, told) => {
  expect(tellValue(value)).toBe(told);
});

test("a long value is cut, after its credentials were", () => {
  const told = tellValue(`redis://ann:${"secret".repeat(100)}@host/${"x".repeat(200)}`);
  expect(told).not.toContain("secret");
  expect(told).toMatch(/^"redis:\/\/\*\*\*@host\/x+"… \(217 characters\)$/);
});
