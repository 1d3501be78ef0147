// The embedded store, in memory and on file: a job's way through it.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type { ClaimRequest, NewJob, Store } from "../../src/core/store.ts";
import { openSqliteStore } from "../../src/stores/sqlite/index.ts";
import { type TestClock, createTestClock } from "../../src/testing/index.ts";

const newId = createIdMaker({ now: () => Date.now(), randomBytes: (n) => randomBytes(n) });

function job(fields: Partial<NewJob> = {}): NewJob {
  return { id: newId("mail"), type: "send", queue: "mail", input: "{}", ...fields };
}

function claim(fields: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    capacity: 10,
    offers: [{ queue: "mail", type: "send", capacity: 100 }],
    labels: [],
    tokenNonce: "nonce",
    firstToken: 1,
    ...fields,
  };
}

describe.each(["memory", "file"])("the embedded store in %s", (kind) => {
  let directory: string;
  let store: Store;
  let clock: TestClock;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "millrace-"));
    const path = kind === "memory" ? ":memory:" : join(directory, "jobs.db");
    clock = createTestClock();
    store = await openSqliteStore({ path, namespace: "test", clock });
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  async function attach(wake: () => void = () => undefined): Promise<void> {
    await store.attachWorker({
      worker: {
        id: "worker-1",
        host: "here",
        pid: 1,
        concurrency: 10,
        labels: [],
        queues: ["mail"],
        types: ["send"],
        version: "1",
      },
      leaseDurationMs: 30_000,
      listener: { wake, cancel: () => undefined, lost: () => undefined },
    });
  }

  it("hands a job to a worker, and keeps its result", async () => {
    await attach();
    const made = job({ input: '{"to":"ada"}' });
    await store.enqueue({ jobs: [made] });
    const { claimed } = await store.exchange({
      worker: "worker-1",
      settlements: [],
      claim: claim(),
    });
    expect(claimed).toMatchObject([{ id: made.id, input: made.input, token: "nonce.1" }]);
    const { settled } = await store.exchange({
      worker: "worker-1",
      settlements: [
        {
          id: made.id,
          token: "nonce.1",
          outcome: {
            kind: "succeeded",
            result: '"sent"',
            retention: { ageMs: 1_000, count: 10 },
          },
        },
      ],
    });
    expect(settled).toEqual([{ accepted: true, state: "succeeded" }]);
    const [record] = await store.get({ ids: [made.id] });
    expect(record).toMatchObject({ state: "succeeded", result: '"sent"', worker: "worker-1" });
  });

  it("claims lanes of several types by rank, within one capacity", async () => {
    await attach();
    const jobs = Array.from({ length: 6 }, (_, index) =>
      job({ type: index % 2 === 0 ? "send" : "print" }),
    );
    await store.enqueue({ jobs });
    const { claimed } = await store.exchange({
      worker: "worker-1",
      settlements: [],
      claim: claim({
        capacity: 4,
        offers: [
          { queue: "mail", type: "send", capacity: 1 },
          { queue: "mail", type: "print", capacity: 10 },
        ],
      }),
    });
    const wanted = [jobs[0], jobs[1], jobs[3], jobs[5]].map((made) => made?.id);
    expect(claimed.map(({ id }) => id)).toEqual(wanted);
    expect(claimed.map(({ token }) => token)).toEqual([1, 2, 3, 4].map((no) => `nonce.${no}`));
  });

  it("makes a delayed job ready when its time has come, and says when to look again", async () => {
    await attach();
    const made = job({ delayMs: 60_000 });
    await store.enqueue({ jobs: [made] });
    const early = await store.exchange({ worker: "worker-1", settlements: [], claim: claim() });
    expect(early.claimed).toEqual([]);
    expect(early.lookAgainInMs).toBeGreaterThan(50_000);
    clock.advance(60_000);
    const due = await store.exchange({ worker: "worker-1", settlements: [], claim: claim() });
    expect(due.claimed.map(({ id }) => id)).toEqual([made.id]);
  });

  it("wakes a worker that came up short", async () => {
    let wakes = 0;
    await attach(() => {
      wakes += 1;
    });
    await store.exchange({ worker: "worker-1", settlements: [], claim: claim() });
    await store.enqueue({ jobs: [job()] });
    await expect.poll(() => wakes).toBe(1);
  });

  it("answers each of many calls made at once, though one of them is refused", async () => {
    const good = Array.from({ length: 50 }, () => store.enqueue({ jobs: [job()] }));
    const bad = store.enqueue({ jobs: [job({ id: "no-uuid" })] });
    await expect(bad).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await Promise.all(good);
    const [queue] = await store.queues();
    expect(queue?.counts.ready).toBe(50);
  });
});
