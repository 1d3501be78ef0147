// Fingerprints: the same for every time of one error, another for another.
import { expect, test } from "vitest";
import { errorTitle, fingerprintOf, isFingerprint, reduceMessage } from "./fingerprint.ts";

const stack = (line: number, folder: string): string =>
  `Error: x\n    at charge (${folder}/pay.ts:${line}:3)\n    at async run (file://${folder}/jobs.js?v=${line}:1:1)\n    at process (node:internal/x:1:1)`;

test.each([
  ["order 4711 not found", "order 12 not found"],
  ["no user 'ann'", "no user 'bob'"],
  ['key "a b" is taken', 'key "c" is taken'],
  ["GET https://a.example/x?y=1 gave 503", "GET http://b.example/z gave 502"],
  ["connect ECONNREFUSED 10.0.0.1:6379", "connect ECONNREFUSED 127.0.0.1:6380"],
  [
    "job 0199d3c0-1111-7000-8000-000000000001 is gone",
    "job 0199d3c0-2222-7abc-8000-00000000beef is gone",
  ],
  ["object 9f86d081884c7d65 has no rows", "object 60303ae22b998861 has no rows"],
  ["ENOENT: no such file /tmp/a/b.txt", "ENOENT: no such file /var/lib/c"],
  ["mail to a.b@c.example bounced", "mail to x@y.example bounced"],
  ["took 0.27479329722264645 s", "took 0.5 s"],
  ["took 12.123456789ms", "took 3.5ms"],
  ["off by 1.4210854715202004e-14", "off by 0.25"],
  ["it broke\nbecause of 1", "it broke\nwhatever"],
])("%j and %j are one error", (one, other) => {
  expect(reduceMessage(one)).toBe(reduceMessage(other));
});

test.each([
  ["no such user", "no such order"],
  ["can't read", "can't write"],
  ["facade is empty", "decade is empty"],
])("%j and %j are two", (one, other) => {
  expect(reduceMessage(one)).not.toBe(reduceMessage(other));
});

test("lines, columns and folders of a stack do not matter; functions and files do", () => {
  const error = { name: "Error", message: "x" };
  const one = fingerprintOf({ ...error, stack: stack(10, "/srv/app") });
  expect(fingerprintOf({ ...error, stack: stack(99, "/home/me/app") })).toBe(one);
  const elsewhere = stack(10, "/srv/app").replace("charge", "refund");
  expect(fingerprintOf({ ...error, stack: elsewhere })).not.toBe(one);
  expect(fingerprintOf({ ...error, stack: stack(10, "C:\\app".replaceAll("\\", "/")) })).toBe(one);
});

test("name and code matter", () => {
  const error = { name: "Error", message: "x" };
  const prints = [error, { ...error, name: "TypeError" }, { ...error, code: "E1" }].map(
    fingerprintOf,
  );
  expect(new Set(prints).size).toBe(3);
  expect(prints.every(isFingerprint)).toBe(true);
});

test("it is stable, for programs keep it", () => {
  expect(fingerprintOf({ name: "Error", message: "order 4711 not found" })).toBe(
    "7b680f0478187048",
  );
});

test("an error is listed by name and reduced message, bounded, whatever it holds", () => {
  expect(errorTitle({ name: "Error", message: "no user 'ann' at 10.0.0.1" })).toBe(
    "Error: no user <value> at <n>",
  );
  expect(
    errorTitle({ name: "Error", message: `${"word ".repeat(5_000)}\u{1f600}` }).length,
  ).toBeLessThan(200);
  expect(reduceMessage("'".repeat(100_000)).length).toBeLessThan(200);
});
