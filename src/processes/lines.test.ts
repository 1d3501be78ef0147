// Lines, whatever the chunks: none lost, none joined, none over the bound.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineSplitter } from "./lines.ts";

function split(
  chunks: readonly Buffer[],
  maxLineBytes = 1_000,
): { lines: string[]; tooLong: number } {
  const lines: string[] = [];
  const splitter = new LineSplitter(maxLineBytes, (line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return { lines, tooLong: splitter.tooLongCount };
}

describe("a line splitter", () => {
  const text = "rnd=1\nrnd=22\r\n\nmüde 日本 🎈\nlast";
  const expected = ["rnd=1", "rnd=22", "", "müde 日本 🎈", "last"];

  test("finds the same lines when the stream is split at every byte", () => {
    const bytes = Buffer.from(text);
    expect(split([...bytes].map((byte) => Buffer.from([byte]))).lines).toEqual(expected);
  });

  test("finds the same lines wherever the stream is split once", () => {
    const bytes = Buffer.from(text);
    for (let at = 0; at <= bytes.length; at++) {
      expect(split([bytes.subarray(0, at), bytes.subarray(at)]).lines).toEqual(expected);
    }
  });

  test("agrees with a plain split, and drops exactly the lines over the bound", () => {
    const anyLine = fc.string({ unit: fc.constantFrom("a", "é", "日", "🎈"), maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 12 }), cuts, (wanted, sizes) => {
        const bytes = Buffer.from(wanted.map((line) => `${line}\n`).join(""));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const fits = wanted.filter((line) => Buffer.byteLength(line) <= 16);
        expect(split(chunks, 16)).toEqual({ lines: fits, tooLong: wanted.length - fits.length });
      }),
    );
  });

  test("holds no more than its bound of a line without end", () => {
    const lines: string[] = [];
    const splitter = new LineSplitter(64, (line) => lines.push(line));
    const block = Buffer.alloc(1_024 * 1_024, "x");
    const before = process.memoryUsage();
    for (let i = 0; i < 2_000; i++) splitter.push(block);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1_024 * 1_024);
    splitter.push(Buffer.from("\nrnd=5\n"));
    expect({ lines, tooLong: splitter.tooLongCount }).toEqual({ lines: ["rnd=5"], tooLong: 1 });
  });
});
