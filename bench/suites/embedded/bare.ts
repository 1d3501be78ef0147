// The subject `bare`: a loop over node:sqlite with the same durability and no product around it.
import { randomBytes } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { type Run, quantile } from "../../harness/index.ts";
import type { EmbeddedSubject } from "./subject.ts";
import { type Sent, latenciesAcrossProcesses, pauseMs } from "../../harness/two-processes.ts";
import {
  BULK_SIZE,
  PAYLOAD,
  StartCounter,
  fileLogger,
  latencySamples,
  paceOf,
  processCounts,
} from "../../harness/workload.ts";
import { copySeed } from "./seed.ts";

/** Jobs in one transaction. */
const BATCH = 100;
const QUEUE = "work";
/** Where nothing waits, so that latency is not waiting time. */
const IDLE_QUEUE = "idle";
/** How often a second process looks whether the file changed: about what a timer can do. */
const POLL_MS = 1;

// Ids ascend, so the table is kept in their order: a quarter faster than a table with a rowid and an index beside it.
// One index serves claims of any state. (Measured: an index over ready jobs alone enqueues as fast and processes half
// again as fast, but then nothing finds the jobs of a worker that died.)
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, queue TEXT NOT NULL, state TEXT NOT NULL,
    priority INTEGER NOT NULL, due_ms INTEGER NOT NULL, payload TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS claimable ON jobs (queue, state, priority, due_ms);`;

interface ClaimedRow {
  readonly id: string;
  readonly payload: string;
}

/** The loop's few statements over one connection. */
class BareQueue {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #claim: StatementSync;
  readonly #remove: StatementSync;
  readonly #version: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 5_000 });
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    this.#database.exec(SCHEMA);
    this.#insert = this.#database.prepare("INSERT INTO jobs VALUES (?, ?, 'ready', 0, ?, ?)");
    this.#claim = this.#database.prepare(
      `UPDATE jobs SET state = 'running' WHERE id IN (
         SELECT id FROM jobs WHERE queue = ? AND state = 'ready' AND due_ms <= ?
         ORDER BY priority, due_ms LIMIT ?) RETURNING id, payload`,
    );
    this.#remove = this.#database.prepare("DELETE FROM jobs WHERE id = ?");
    this.#version = this.#database.prepare("PRAGMA data_version");
  }

  enqueue(payloads: readonly unknown[], queue = QUEUE): void {
    this.#inTransaction(() => {
      for (const payload of payloads) {
        this.#insert.run(ascendingId(), queue, Date.now(), JSON.stringify(payload));
      }
    });
  }

  /** Removes what was done and claims what comes next, in one transaction. */
  exchange(done: readonly ClaimedRow[], capacity = BATCH, queue = QUEUE): readonly ClaimedRow[] {
    return this.#inTransaction(() => {
      for (const { id } of done) this.#remove.run(id);
      return this.#claim.all(queue, Date.now(), capacity) as unknown as ClaimedRow[];
    });
  }

  /** Changes when another connection wrote. */
  dataVersion(): number {
    return (this.#version.get() as { data_version: number }).data_version;
  }

  close(): void {
    this.#database.close();
  }

  #inTransaction<Result>(work: () => Result): Result {
    this.#database.exec("BEGIN IMMEDIATE");
    const result = work();
    this.#database.exec("COMMIT");
    return result;
  }
}

let lastIdMs = 0;
let idCounter = 0;

/** A UUID of version 7, ascending within a millisecond too. */
function ascendingId(): string {
  const nowMs = Date.now();
  idCounter = nowMs === lastIdMs ? idCounter + 1 : 0;
  lastIdMs = nowMs;
  const time = nowMs.toString(16).padStart(12, "0");
  const random = randomBytes(8).toString("hex");
  const count = (idCounter & 0xfff).toString(16).padStart(3, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-8${random.slice(0, 3)}-${random.slice(4)}`;
}

async function openWith(run: Run, waiting: number): Promise<{ queue: BareQueue; path: string }> {
  const path = await copySeed(run, `bare-${waiting}`, async (seed) => {
    const queue = new BareQueue(seed);
    for (let kept = 0; kept < waiting; kept += BULK_SIZE) queue.enqueue(payloads(BULK_SIZE));
    queue.close();
  });
  return { queue: new BareQueue(path), path };
}

function payloads(count: number): readonly unknown[] {
  return Array.from({ length: count }, () => PAYLOAD);
}

/** Transactions of 100 for a bulk and for 100 callers, as if they shared one; of 1 for one caller. */
async function enqueuePace(run: Run, size: number, waiting: number): Promise<number> {
  const { queue } = await openWith(run, waiting);
  const batch = payloads(size);
  const pace = await paceOf(run, () => {
    queue.enqueue(batch);
    return size;
  });
  queue.close();
  return pace;
}

async function processPace(run: Run, waiting: number, isLogged: boolean): Promise<number> {
  const counts = processCounts(run);
  const { queue } = await openWith(run, Math.max(waiting, counts.warmUp + counts.measured));
  const logger = isLogged ? fileLogger(run) : null;
  const counter = new StartCounter(counts);
  let claimed = queue.exchange([]);
  while (!counter.isDone) {
    for (const { id } of claimed) {
      const startedAt = performance.now();
      logger?.info({ id, type: QUEUE, attempt: 1 }, "job started");
      counter.count();
      logger?.info({ id, type: QUEUE, attempt: 1, ms: performance.now() - startedAt }, "job ended");
    }
    claimed = queue.exchange(claimed);
  }
  queue.close();
  return counter.pace;
}

async function latencies(run: Run, waiting: number): Promise<readonly number[]> {
  const { queue } = await openWith(run, waiting);
  const tookMs: number[] = [];
  while (tookMs.length < latencySamples(run)) {
    await sleep(pauseMs());
    const startedAt = performance.now();
    queue.enqueue([PAYLOAD], IDLE_QUEUE);
    const claimed = queue.exchange([], BATCH, IDLE_QUEUE);
    tookMs.push(performance.now() - startedAt);
    queue.exchange(claimed, BATCH, IDLE_QUEUE);
  }
  queue.close();
  return tookMs;
}

/** The consumer looks at the file's version on every tick of a timer. */
async function consume(
  queue: BareQueue,
  record: (sent: Sent) => void,
  signal: AbortSignal,
): Promise<void> {
  let version = -1;
  while (!signal.aborted) {
    const current = queue.dataVersion();
    if (current === version) {
      await sleep(POLL_MS);
      continue;
    }
    version = current;
    let claimed = queue.exchange([], BATCH, IDLE_QUEUE);
    while (claimed.length > 0) {
      for (const { payload } of claimed) record(JSON.parse(payload) as Sent);
      claimed = queue.exchange(claimed, BATCH, IDLE_QUEUE);
    }
  }
}

export const subject: EmbeddedSubject = {
  bulkEnqueue: (run, waiting) => enqueuePace(run, BATCH, waiting),
  enqueue: (run, callers, waiting) => enqueuePace(run, callers, waiting),
  process: (run, waiting, { isLogged }) => processPace(run, waiting, isLogged),
  async latencies(run, waiting) {
    const tookMs = await latencies(run, waiting);
    return { p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
  },
  async latencyAcrossProcesses(run, waiting) {
    const { queue, path } = await openWith(run, waiting);
    const tookMs = await latenciesAcrossProcesses({
      module: new URL(import.meta.url),
      address: path,
      samples: latencySamples(run),
      consume: (record, signal) => consume(queue, record, signal),
    });
    queue.close();
    return quantile(tookMs, 0.5);
  },
  async openProducer(path) {
    const queue = new BareQueue(path);
    return {
      send: async (sent) => queue.enqueue([sent], IDLE_QUEUE),
      close: async () => queue.close(),
    };
  },
};
