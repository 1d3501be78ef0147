// How the suites open the embedded store.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { CAPABILITIES } from "../../src/core/index.ts";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";
import { type StoreHarness, createTestClock } from "../../src/testing/index.ts";

function harness(path: string, isShared: boolean): StoreHarness {
  const clock = createTestClock();
  return {
    // What the disk makes of it is tested elsewhere, without a clock that jumps.
    open: ({ namespace }) =>
      openSqliteStore({ path, namespace, clock, durability: isShared ? "os" : "memory" }),
    advance: clock.advance,
    isShared,
    capabilities: CAPABILITIES,
  };
}

/** One file for all cases of a test file, which is removed in the end. */
export async function onFile(): Promise<StoreHarness> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-stores-"));
  afterAll(() => rm(directory, { recursive: true, force: true }));
  return harness(join(directory, "store.db"), true);
}

/** A store of its own for every case. */
export function inMemory(): StoreHarness {
  return harness(":memory:", false);
}
