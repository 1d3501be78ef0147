import { expect, test } from "vitest";
import { DiskModel } from "./disk-model.ts";
import { createRandom } from "./random.ts";

const random = createRandom(1);
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (found: ReadonlyMap<string, Uint8Array>, path = "f"): string | undefined => {
  const file = found.get(path);
  return file === undefined ? undefined : Buffer.from(file).toString();
};

test("what was flushed is there after a loss of power, what was not is gone", () => {
  const disk = new DiskModel();
  disk.write("f", 0, bytes("kept"));
  disk.flush("f", disk.changesOf("f"));
  disk.write("f", 0, bytes("lost"));
  disk.write("f", 4, bytes(" too"));
  expect(text(disk.afterPowerLoss("none", random))).toBe("kept");
});

test("a file that was never flushed is not there", () => {
  const disk = new DiskModel();
  disk.write("f", 0, bytes("lost"));
  expect(text(disk.afterPowerLoss("none", random))).toBeUndefined();
});

test("a flush covers what was written before it began, not what came while it ran", () => {
  const disk = new DiskModel();
  disk.write("f", 0, bytes("before"));
  const began = disk.changesOf("f");
  disk.write("f", 6, bytes(" while"));
  disk.flush("f", began);
  expect(text(disk.afterPowerLoss("none", random))).toBe("before");
});

test("two flushes that overlap cover no more than each began with", () => {
  const disk = new DiskModel();
  disk.write("f", 0, bytes("a"));
  const first = disk.changesOf("f");
  disk.write("f", 1, bytes("b"));
  const second = disk.changesOf("f");
  disk.write("f", 2, bytes("c"));
  disk.flush("f", second);
  disk.flush("f", first);
  expect(text(disk.afterPowerLoss("none", random))).toBe("ab");
});

test("a file can shrink and grow again, with zeros between", () => {
  const disk = new DiskModel();
  disk.write("f", 0, bytes("abcdef"));
  disk.truncate("f", 2);
  disk.write("f", 4, bytes("z"));
  disk.flush("f", disk.changesOf("f"));
  expect(text(disk.afterPowerLoss("none", random))).toBe("ab\0\0z");
});

test("a removed file is gone", () => {
  const disk = new DiskModel();
  disk.write("f", 0, bytes("x"));
  disk.flush("f", 1);
  disk.remove("f");
  expect(text(disk.afterPowerLoss("none", random))).toBeUndefined();
});

test("unflushed writes may survive sector by sector, and leave what was flushed as it was", () => {
  const disk = new DiskModel();
  const sector = 512;
  disk.write("f", 0, new Uint8Array(8 * sector).fill(1));
  disk.flush("f", disk.changesOf("f"));
  disk.write("f", 100, new Uint8Array(6 * sector).fill(2));
  const found = disk.afterPowerLoss("random-sectors", random).get("f") ?? new Uint8Array(0);
  const sectors = new Set(
    Array.from({ length: 5 }, (_, index) => found[(index + 1) * sector] ?? 0),
  );
  expect(found).toHaveLength(8 * sector);
  expect(sectors).toEqual(new Set([1, 2]));
  expect(text(disk.afterPowerLoss("none", random))).toBe("\u0001".repeat(8 * sector));
});
