// Lines out of chunks: how many one process takes in a second.
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { LineSplitter } from "../../../src/processes/index.ts";
import { parseRandomNumber } from "../../../src/fleet/index.ts";

/** What a socket delivers at one go. */
const CHUNK_BYTES = 65_536;
const LINES_A_ROUND = 100_000;

function* chunks(lines: number): Generator<Buffer> {
  const text = Array.from({ length: LINES_A_ROUND }, (_, index) => `rnd=${index % 100}\n`).join("");
  const bytes = Buffer.from(text);
  for (let round = 0; round < lines / LINES_A_ROUND; round++) {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      yield bytes.subarray(at, at + CHUNK_BYTES);
    }
  }
}

async function pace(lines: number, read: (count: () => void) => Promise<void>): Promise<number> {
  let samples = 0;
  const startedAtMs = performance.now();
  await read(() => samples++);
  if (samples !== lines) throw new Error(`${samples} samples of ${lines} lines`);
  return samples / ((performance.now() - startedAtMs) / 1_000);
}

export function ownLinesPerSecond(lines: number): Promise<number> {
  return pace(lines, async (count) => {
    const splitter = new LineSplitter(8_192, (line) => {
      if (parseRandomNumber(line) !== undefined) count();
    });
    for await (const chunk of Readable.from(chunks(lines))) splitter.push(chunk as Buffer);
    splitter.end();
  });
}

export function readlineLinesPerSecond(lines: number): Promise<number> {
  return pace(lines, async (count) => {
    const input = createInterface({ input: Readable.from(chunks(lines), { objectMode: false }) });
    for await (const line of input) if (parseRandomNumber(line) !== undefined) count();
  });
}
