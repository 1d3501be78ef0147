// Workers: their leases, what they are told, and their end.
import { MillraceError } from "../../core/errors.ts";
import type {
  AttachWorker,
  WorkerAttachment,
  WorkerDescription,
  WorkerListener,
  WorkerRecord,
} from "../../core/store.ts";
import type { SharedClock } from "../clock.ts";
import { type Context, queueNames } from "./context.ts";
import { type Keeper, createKeeper } from "./keeper.ts";
import type { Sent } from "./link.ts";
import { type Notice, OWN_EVENT } from "./notices.ts";
import type { Reader, StreamEvent } from "./reader.ts";
import { workerOf } from "./records.ts";
import { registerQueues } from "./registry.ts";
import { settleJobs } from "./settling.ts";

/** Shortest lease: below it the renewals themselves would be late. */
const SHORTEST_LEASE_MS = 100;
/** Jobs given back in one act. */
const RELEASED_AT_ONCE = 200;

/** The workers of an open store. */
export interface Workers {
  attach(request: AttachWorker): Promise<WorkerAttachment>;
  /** How long BullMQ's locks of what this worker claims last. */
  lockMsOf(worker: string): number | undefined;
  /** Locks to keep from now on, and no more. */
  holds(worker: string, claimed: readonly { readonly id: string }[]): void;
  dropped(tokens: readonly string[]): void;
  /** A sweep found these dead: of those that are attached here nothing may be claimed any more. */
  noteDead(workers: readonly string[]): void;
  list(): Promise<readonly WorkerRecord[]>;
  close(): Promise<void>;
}

interface Attached {
  description: WorkerDescription;
  readonly listener: WorkerListener;
  readonly leaseMs: number;
}

/** Opens the workers' side of a store. */
export function openWorkers(
  context: Context,
  reader: Reader,
  clock: SharedClock | undefined,
): Workers {
  return new BullmqWorkers(context, reader, clock);
}

class BullmqWorkers implements Workers {
  readonly #context: Context;
  readonly #reader: Reader;
  readonly #keeper: Keeper;
  readonly #attached = new Map<string, Attached>();
  #endReading: Promise<() => void> | null = null;

  constructor(context: Context, reader: Reader, clock: SharedClock | undefined) {
    this.#context = context;
    this.#reader = reader;
    const { link, namespace } = context;
    // Of a clock only its memory can go to another thread.
    const shared = clock === undefined ? undefined : { offset: clock.offset };
    this.#keeper = createKeeper(
      { location: link.location, namespace, clock: shared },
      (worker, reason) => this.#lose(worker, reason),
    );
  }

  async attach({ worker, listener, leaseDurationMs }: AttachWorker): Promise<WorkerAttachment> {
    const keeper = this.#keeper;
    if (this.#attached.has(worker.id)) throw attachedAlready(worker.id);
    await registerQueues(this.#context, worker.queues);
    await this.#read();
    const leaseMs = Math.max(SHORTEST_LEASE_MS, Math.round(leaseDurationMs));
    const attachedAtMs = Date.now();
    const describe = (now: WorkerDescription): string => JSON.stringify({ ...now, attachedAtMs });
    const heartbeat = await keeper.attach({
      id: worker.id,
      leaseMs,
      description: describe(worker),
    });
    const state: Attached = { description: worker, listener, leaseMs };
    this.#attached.set(worker.id, state);
    let closing: Promise<void> | null = null;
    return {
      heartbeat: ({ deadlineInMs }) => heartbeat.beat(deadlineInMs),
      update: async ({ worker: changed }) => {
        await registerQueues(this.#context, changed.queues);
        state.description = changed;
        keeper.describe(worker.id, describe(changed));
      },
      close: () => (closing ??= this.#detach(worker.id)),
    };
  }

  lockMsOf(worker: string): number | undefined {
    return this.#attached.get(worker)?.leaseMs;
  }

  holds(worker: string, claimed: readonly { readonly id: string }[]): void {
    const jobs = claimed.flatMap(({ id }) => this.#context.held.get(id) ?? []);
    if (jobs.length === 0) return;
    this.#keeper.hold(
      worker,
      jobs.map(({ queue, bullId, token }) => ({ queue, bullId, token })),
    );
  }

  dropped(tokens: readonly string[]): void {
    if (tokens.length === 0) return;
    for (const worker of this.#attached.keys()) this.#keeper.drop(worker, tokens);
  }

  noteDead(workers: readonly string[]): void {
    for (const worker of workers) {
      if (!this.#attached.has(worker)) continue;
      this.#keeper.detach(worker).catch(() => {});
      this.#lose(worker, "the lease ended before it was renewed, and others took the jobs");
    }
  }

  list(): Promise<readonly WorkerRecord[]> {
    return listWorkers(this.#context);
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#attached.keys()].map((worker) => this.#detach(worker)));
    if (this.#endReading !== null) (await this.#endReading)();
    await this.#keeper.close();
  }

  /** Hears of what waits and of cancellations, from the first worker on. */
  async #read(): Promise<void> {
    this.#endReading ??= this.#reader.listen({
      event: (event) => hearEvent(this.#context, this.#attached, event),
      gap: () => {
        for (const { listener } of this.#attached.values()) listener.wake();
      },
    });
    try {
      await this.#endReading;
    } catch (error) {
      this.#endReading = null;
      throw error;
    }
  }

  #lose(worker: string, reason: string): void {
    const state = this.#attached.get(worker);
    if (!this.#attached.delete(worker)) return;
    forgetHeld(this.#context, worker);
    state?.listener.lost(reason);
  }

  async #detach(worker: string): Promise<void> {
    if (!this.#attached.delete(worker)) return;
    const { link } = this.#context;
    await this.#keeper.detach(worker);
    await link.read([
      ["ZREM", link.keys.leases, worker],
      ["HDEL", link.keys.workers, worker],
    ]);
    await release(this.#context, worker);
  }
}

function attachedAlready(worker: string): MillraceError {
  return new MillraceError("INVALID_ARGUMENT", {
    message: `worker ${worker} is attached already; every attachment takes an id of its own`,
  });
}

function forgetHeld({ held }: Context, worker: string): void {
  for (const [id, job] of held) if (job.worker === worker) held.delete(id);
}

/** Wakes workers for what waits, and passes on wishes that a job be cancelled. */
function hearEvent(
  context: Context,
  attached: ReadonlyMap<string, Attached>,
  { queue, event, fields }: StreamEvent,
): void {
  if (event === "waiting" || event === "delayed" || event === "resumed") {
    for (const { description, listener } of attached.values()) {
      if (description.queues.includes(queue)) listener.wake();
    }
    return;
  }
  if (event !== OWN_EVENT) return;
  const { id, cancel } = JSON.parse(fields["body"] ?? "{}") as Notice;
  if (cancel === undefined) return;
  const worker = context.held.get(id)?.worker;
  if (worker !== undefined) attached.get(worker)?.listener.cancel([{ id, reason: cancel }]);
}

/** Gives back all that a worker that leaves still runs. */
async function release(context: Context, worker: string): Promise<void> {
  const running = [...context.held.values()].filter((job) => job.worker === worker);
  for (let from = 0; from < running.length; from += RELEASED_AT_ONCE) {
    await settleJobs(
      context,
      running.slice(from, from + RELEASED_AT_ONCE).map(({ id, token }) => ({
        id,
        token,
        outcome: { kind: "release" },
      })),
    );
  }
  forgetHeld(context, worker);
}

/** Workers of Millrace that BullMQ's active lists name, and how often. */
async function countRunning(context: Context): Promise<ReadonlyMap<string, number>> {
  const { link } = context;
  const { keys } = link;
  const names = await queueNames(context);
  const lists = await link.read(
    names.map((queue): Sent => ["LRANGE", keys.bull(queue, "active"), 0, -1]),
  );
  const workers = await link.read(
    names.flatMap((queue, index) =>
      (lists[index] as readonly string[]).map((bullId): Sent => [
        "HGET",
        keys.bull(queue, bullId),
        "pb",
      ]),
    ),
  );
  const counts = new Map<string, number>();
  for (const name of workers) {
    const worker = workerOf((name as string | null) ?? undefined);
    if (worker !== null) counts.set(worker, (counts.get(worker) ?? 0) + 1);
  }
  return counts;
}

async function listWorkers(context: Context): Promise<readonly WorkerRecord[]> {
  const [workers, running] = await Promise.all([describeWorkers(context), countRunning(context)]);
  return workers.map((worker) => ({ ...worker, running: running.get(worker.id) ?? 0 }));
}

/** What the workers that hold a lease said of themselves, and how long their leases are. */
export async function describeWorkers({
  link,
}: Pick<Context, "link">): Promise<readonly Omit<WorkerRecord, "running">[]> {
  const [flat] = await link.read([["ZRANGE", link.keys.leases, 0, -1, "WITHSCORES"]]);
  const leases = flat as readonly string[];
  const ids = leases.filter((_, index) => index % 2 === 0);
  if (ids.length === 0) return [];
  const [texts] = await link.read([["HMGET", link.keys.workers, ...ids]]);
  return (texts as readonly (string | null)[]).flatMap((text, index) => {
    if (text === null) return [];
    const description = JSON.parse(text) as WorkerDescription & { attachedAtMs: number };
    return [{ ...description, leaseUntilMs: Number(leases[index * 2 + 1]) }];
  });
}
