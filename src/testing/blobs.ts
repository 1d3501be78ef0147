// The conformance suite of blob stores: what makes a place a store of large values.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createIdMaker } from "../core/ids.ts";
import type { BlobEntry, BlobStore } from "../runtime/index.ts";
import type { TestApi } from "./conformance/index.ts";

/** Opens the blob store under test. */
export interface BlobHarness {
  /** An empty one for each case, and a second object on the same data. */
  readonly open: () => Promise<{
    readonly blobs: BlobStore;
    readonly second: BlobStore;
    readonly close?: () => Promise<void>;
  }>;
}

interface BlobCase {
  readonly name: string;
  readonly run: (blobs: BlobStore, second: BlobStore) => Promise<void>;
}

/** Larger than what a pipe, a socket or a page cache takes at one go. */
const LARGE_CHARACTERS = 5_000_000;

const makeId = createIdMaker({ now: Date.now, randomBytes });

const CASES: readonly BlobCase[] = [
  {
    name: "gives a value back as it was put, to whoever asks",
    run: async (blobs, second) => {
      const texts = ['"small"', '{"ü":"✓ \\n  \\u0000"}', `"${"x".repeat(LARGE_CHARACTERS)}"`];
      for (const text of texts) {
        const blob = { job: makeId("any"), name: "input" };
        await blobs.put({ ...blob, text });
        assert.equal(await blobs.get(blob), text);
        assert.equal(await second.get(blob), text);
      }
    },
  },
  {
    name: "keeps the values of a job apart, and replaces one that is put again",
    run: async (blobs, second) => {
      const job = makeId("any");
      await blobs.put({ job, name: "input", text: "1" });
      await blobs.put({ job, name: "result-a.1", text: "2" });
      await second.put({ job, name: "input", text: "3" });
      assert.equal(await blobs.get({ job, name: "input" }), "3");
      assert.equal(await blobs.get({ job, name: "result-a.1" }), "2");
    },
  },
  {
    name: "gives null for what is not there, and removes it without complaint",
    run: async (blobs) => {
      const blob = { job: makeId("any"), name: "input" };
      assert.equal(await blobs.get(blob), null);
      await blobs.put({ ...blob, text: "1" });
      await blobs.remove({ blobs: [blob, { ...blob, name: "result-a.1" }] });
      assert.equal(await blobs.get(blob), null);
      await blobs.remove({ blobs: [blob] });
    },
  },
  {
    name: "lists all that is kept, page by page, each once, with its time",
    run: async (blobs) => {
      assert.deepEqual(await blobs.list({ limit: 10 }), { blobs: [] });
      const before = Date.now();
      const jobs = Array.from({ length: 7 }, () => makeId("any"));
      for (const job of jobs) await blobs.put({ job, name: "input", text: "1" });
      const seen: BlobEntry[] = [];
      let cursor: string | undefined;
      do {
        const page = await blobs.list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
        assert.ok(page.blobs.length <= 3);
        seen.push(...page.blobs);
        ({ cursor } = page);
      } while (cursor !== undefined);
      assert.deepEqual(seen.map(({ job }) => job).sort(), [...jobs].sort());
      for (const { name, atMs } of seen) {
        assert.equal(name, "input");
        // A file system may round times, and another machine's clock may be a little off.
        assert.ok(Math.abs(atMs - before) < 120_000, `put ${atMs - before} ms after it was`);
      }
    },
  },
];

/**
 * Declares the whole suite for one blob store.
 *
 * @example
 * import { describe, test } from "vitest";
 * describeBlobStore("my bucket", { open: async () => ({ blobs, second }) }, { describe, test });
 */
export function describeBlobStore(name: string, harness: BlobHarness, api: TestApi): void {
  api.describe(`${name} as a blob store`, () => {
    for (const { name: title, run } of CASES) {
      api.test(title, async () => {
        const { blobs, second, close } = await harness.open();
        try {
          await run(blobs, second);
        } finally {
          await close?.();
        }
      });
    }
  });
}
