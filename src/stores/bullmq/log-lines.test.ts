// Log lines as BullMQ keeps them.
import { expect, test } from "vitest";
import { readLogLine, writeLogLine } from "./log-lines.ts";

test("a line comes back as it was written, and can be read by people", () => {
  const line = {
    level: "warn",
    message: "two\nlines: [x] info: y",
    atMs: 1_700_000_000_123,
  } as const;
  expect(writeLogLine(line)).toBe("[2023-11-14T22:13:20.123Z] warn: two\nlines: [x] info: y");
  expect(readLogLine(writeLogLine(line))).toEqual(line);
});

test.each(["plain", "[x] info: y", "[2023-11-14T22:13:20.123Z] shout: y", ""])(
  "a line of another producer is told as it is: %j",
  (text) => {
    expect(readLogLine(text)).toEqual({ level: "info", message: text, atMs: 0 });
  },
);
