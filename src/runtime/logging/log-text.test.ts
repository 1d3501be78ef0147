import { expect, test } from "vitest";
import { formatLogLine } from "./log-text.ts";

const line = (fields: object): string =>
  formatLogLine(JSON.stringify({ level: 30, time: Date.UTC(2030, 0, 31, 8, 5, 9, 7), ...fields }));

test("a line has the time of day, the level, the message and the fields", () => {
  expect(line({ type: "Sleep", attempt: 1, types: ["a", "b"], msg: "job started" })).toBe(
    "08:05:09.007 info  job started type=Sleep attempt=1 types=a,b\n",
  );
  expect(line({ level: 40, access: "none: this machine", msg: "told" })).toBe(
    '08:05:09.007 warn  told access="none: this machine"\n',
  );
});

test("an error stands below its line, with its stack", () => {
  const error = { name: "Error", message: "no", stack: "Error: no\n    at run (a.ts:1:1)" };
  expect(line({ level: 50, error, msg: "job failed" })).toBe(
    "08:05:09.007 error job failed\n    Error: no\n    at run (a.ts:1:1)\n",
  );
  expect(line({ error: { message: "no stack" }, msg: "" })).toContain("\n    Error: no stack\n");
});

test("what a handler logs can't move the cursor or begin a line of its own", () => {
  const text = line({ msg: "\u001b[2Jgone\nfaked", field: "\u001b]0;x\u0007" });
  expect(text).toBe('08:05:09.007 info  \\x1b[2Jgone\\x0afaked field="\\u001b]0;x\\u0007"\n');
});
