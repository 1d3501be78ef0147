import { expect, test } from "vitest";
import { TraceReader, bytesOf, pathOfDescriptor } from "./strace.ts";

test("a call on one line is read whole", () => {
  const call = new TraceReader().read(String.raw`12 pwrite64(3<\x2f\x66>, "\x61\x62", 2, 512) = 2`);
  expect(call).toEqual({
    name: "pwrite64",
    arguments: String.raw`3<\x2f\x66>, "\x61\x62", 2, 512`,
    result: 2,
    began: 0,
  });
});

test("calls of threads that ran at once are put together, each with the line on which it began", () => {
  const reader = new TraceReader();
  const lines = [
    String.raw`1 fsync(3<\x2f\x66> <unfinished ...>`,
    String.raw`2 fsync(4<\x2f\x67>) = 0`,
    "1 <... fsync resumed>) = 0",
  ];
  expect(lines.map((line) => reader.read(line))).toEqual([
    null,
    { name: "fsync", arguments: String.raw`4<\x2f\x67>`, result: 0, began: 1 },
    { name: "fsync", arguments: String.raw`3<\x2f\x66>`, result: 0, began: 0 },
  ]);
  expect(TraceReader.beginning(lines[0] ?? "")?.name).toBe("fsync");
  expect(TraceReader.beginning(lines[1] ?? "")).toBeNull();
});

test("a call that failed says so, and one that never ended is none", () => {
  const reader = new TraceReader();
  expect(reader.read("1 fsync(3) = -1 EIO (Input/output error) (INJECTED)")?.result).toBe(-1);
  expect(reader.read("1 fsync(3) = ?")).toBeNull();
  expect(reader.read("1 +++ killed by SIGKILL +++")).toBeNull();
});

test("paths and bytes are read from hex", () => {
  expect(pathOfDescriptor(String.raw`3<\x2f\x74\x6d\x70>, 4`)).toBe("/tmp");
  expect(pathOfDescriptor("3, 4")).toBeNull();
  expect([...bytesOf(String.raw`\x00\xff`)]).toEqual([0, 255]);
});
