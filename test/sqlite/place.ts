// What the tests of the embedded store share: a directory, store objects that are closed, jobs and workers.
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach } from "vitest";
import { createIdMaker } from "../../src/core/ids.ts";
import type {
  ClaimRequest,
  ClaimedJob,
  ExchangeReply,
  NewJob,
  Settlement,
  Store,
} from "../../src/core/store.ts";
import { type SqliteStoreOptions, openSqliteStore } from "../../src/stores/sqlite/index.ts";

const makeId = createIdMaker({ now: () => Date.now(), randomBytes: (n) => randomBytes(n) });

/** A plain job of type and queue `mail`, unless said otherwise. */
export function newJob(fields: Partial<NewJob> = {}): NewJob {
  const queue = fields.queue ?? "mail";
  return { id: makeId(queue), type: "mail", queue, input: "{}", ...fields };
}

/** A directory with one file, whose store objects and connections end with it. */
export class Place {
  readonly directory = mkdtempSync(join(tmpdir(), "millrace-sqlite-"));
  readonly path = join(this.directory, "jobs.db");
  readonly #endings: (() => Promise<void> | void)[] = [];

  async open(options: Partial<SqliteStoreOptions> = {}): Promise<Store> {
    const store = await openSqliteStore({ path: this.path, namespace: "test", ...options });
    this.#endings.push(() => store.close());
    return store;
  }

  /** A connection beside the store, as another program would have it. */
  connect(): DatabaseSync {
    const connection = new DatabaseSync(this.path);
    this.#endings.push(() => {
      if (connection.isOpen) connection.close();
    });
    return connection;
  }

  async end(): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) await end();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A place and a store in it for each test of a file, ended after it. */
export function eachInPlace(options: Partial<SqliteStoreOptions> = {}): () => {
  readonly place: Place;
  readonly store: Store;
} {
  let current: { readonly place: Place; readonly store: Store } | undefined;
  beforeEach(async () => {
    const place = new Place();
    current = { place, store: await place.open(options) };
  });
  afterEach(() => current?.place.end());
  return () => {
    if (current === undefined) throw new Error("no test is running");
    return current;
  };
}

/** An attached worker that serves `mail`, with what it heard. */
export interface TestWorker {
  readonly id: string;
  readonly heard: { wakes: number; readonly losses: string[] };
  exchange(
    settlements: readonly Settlement[],
    claim?: Partial<ClaimRequest>,
  ): Promise<ExchangeReply>;
  claim(claim?: Partial<ClaimRequest>): Promise<readonly ClaimedJob[]>;
  succeed(jobs: readonly ClaimedJob[]): Promise<void>;
}

const REMOVED = { ageMs: 0, count: 0 };

export async function attachWorker(store: Store, leaseDurationMs = 30_000): Promise<TestWorker> {
  const id = randomUUID();
  const heard: TestWorker["heard"] = { wakes: 0, losses: [] };
  let firstToken = 1;
  await store.attachWorker({
    worker: {
      id,
      host: "here",
      pid: 1,
      concurrency: 100,
      labels: [],
      queues: ["mail"],
      types: ["mail"],
      version: "1",
    },
    leaseDurationMs,
    listener: {
      wake: () => {
        heard.wakes += 1;
      },
      cancel: () => undefined,
      lost: (reason) => heard.losses.push(reason),
    },
  });
  const exchange: TestWorker["exchange"] = async (settlements, claim) => {
    const request: ClaimRequest = {
      capacity: 100,
      offers: [{ queue: "mail", type: "mail", capacity: 1_000 }],
      labels: [],
      tokenNonce: id,
      firstToken,
      ...claim,
    };
    firstToken += request.capacity;
    const reply = await store.exchange({ worker: id, settlements, claim: request });
    return reply;
  };
  return {
    id,
    heard,
    exchange,
    claim: async (claim) => (await exchange([], claim)).claimed,
    succeed: async (jobs) => {
      const settlements = jobs.map((job): Settlement => ({
        id: job.id,
        token: job.token,
        outcome: { kind: "succeeded", result: "null", retention: REMOVED },
      }));
      await store.exchange({ worker: id, settlements });
    },
  };
}
