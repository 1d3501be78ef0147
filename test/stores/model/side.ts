// A store and the reference model side by side, and what random commands choose from.
import { randomBytes, randomUUID } from "node:crypto";
import { createIdMaker } from "../../../src/core/ids.ts";
import type { JobId } from "../../../src/core/ids.ts";
import type { JobState } from "../../../src/core/job.ts";
import type { ClaimRequest, ClaimedJob, NewJob, Offer, Store } from "../../../src/core/store.ts";
import {
  type Difference,
  type StoreHarness,
  StoreModel,
  compare,
} from "../../../src/testing/index.ts";

export const MINUTE_MS = 60_000;
export const TYPES = ["t1", "t2"] as const;
export const QUEUES = ["q1", "q2"] as const;
export const LABELS = ["gpu", "ssd"] as const;
export const TAGS = ["x", "y z"] as const;

/** What the commands act on. */
export interface Side {
  readonly store: Store;
  readonly model: StoreModel;
  readonly enqueued: readonly NewJob[];
  /** Every claim that ever was. */
  readonly claims: ClaimedJob[];
  readonly now: () => Promise<number>;
  readonly advance: (durationMs: number) => Promise<void>;
  /** Gives a job an id, and remembers it. */
  readonly identify: (job: Omit<NewJob, "id">) => NewJob;
  /** Remembers a job that has another id and queue from now on. */
  readonly adopt: (moved: Pick<NewJob, "id" | "queue">, from: JobId) => void;
  readonly pickIds: (which: readonly number[]) => readonly JobId[];
  readonly pickClaim: (which: number, isLatest: boolean) => ClaimedJob | undefined;
  readonly pickWorker: (which: number) => string;
  readonly claimRequest: (drawn: {
    readonly capacity: number;
    readonly labels: readonly string[];
    readonly isYoung?: true;
    readonly offers: readonly Offer[];
  }) => ClaimRequest;
  readonly attach: (leaseDurationMs: number) => Promise<void>;
  readonly detach: (which: number) => Promise<void>;
  /** Sweeps until nothing is left to do. */
  readonly sweep: () => Promise<{
    readonly deadWorkers: readonly string[];
    readonly crashed: number;
    readonly expired: number;
  }>;
  readonly close: () => Promise<void>;
}

/** Opens a store in a namespace of its own, beside a new model, with one worker attached. */
export async function openSide(harness: StoreHarness): Promise<Side> {
  const store = await harness.open({ namespace: `model-${randomUUID().slice(0, 13)}` });
  const model = new StoreModel(Object.keys(harness.differences ?? {}) as Difference[]);
  const enqueued: NewJob[] = [];
  const claims: ClaimedJob[] = [];
  const makeId = createIdMaker({ now: Date.now, randomBytes });
  const now = async (): Promise<number> => (await store.describe()).nowMs;
  let nextToken = 1;
  const side: Side = {
    store,
    model,
    enqueued,
    claims,
    now,
    advance: async (durationMs) => {
      await harness.advance(durationMs);
    },
    identify: (job) => {
      const made = { ...job, id: makeId(job.queue) };
      enqueued.push(made);
      return made;
    },
    adopt: (moved, from) => {
      const job = enqueued.find(({ id }) => id === from);
      if (job !== undefined) enqueued.push({ ...job, ...moved });
    },
    pickIds: (which) => which.flatMap((each) => recent(enqueued, each)?.id ?? []),
    pickClaim: (which, isLatest) => recent(isLatest ? standing(model, claims) : claims, which),
    claimRequest: (drawn) => {
      const firstToken = nextToken;
      nextToken += drawn.capacity;
      return { ...drawn, tokenNonce: "n", firstToken };
    },
    sweep: () => sweepAll(store),
    ...workersOf(store, model, now),
    close: () => store.close(),
  };
  await side.attach(30 * MINUTE_MS);
  await compare(store, model, await now());
  return side;
}

/** How far back commands reach: what is older has mostly ended, and little can be done with it. */
const REACH = 12;

function recent<Item>(items: readonly Item[], which: number): Item | undefined {
  return items.at(-1 - (which % Math.min(REACH, Math.max(1, items.length))));
}

function standing(model: StoreModel, claims: readonly ClaimedJob[]): readonly ClaimedJob[] {
  return claims.filter(({ id, token }) => model.jobs.get(id)?.record.token === token);
}

function workersOf(
  store: Store,
  model: StoreModel,
  now: () => Promise<number>,
): Pick<Side, "attach" | "detach" | "pickWorker"> {
  const attachments = new Map<string, { close: () => Promise<void> }>();
  let attached = 0;
  const pickWorker = (which: number): string => `w${1 + (which % attached)}`;
  return {
    pickWorker,
    attach: async (leaseDurationMs) => {
      attached += 1;
      const id = `w${attached}`;
      model.attach(id, (await now()) + leaseDurationMs);
      const attachment = await store.attachWorker({
        worker: {
          id,
          host: "host",
          pid: 1,
          concurrency: 10,
          labels: [],
          queues: [...QUEUES],
          types: [...TYPES],
          version: "0",
        },
        leaseDurationMs,
        listener: { wake: () => undefined, cancel: () => undefined, lost: () => undefined },
      });
      attachments.set(id, attachment);
    },
    detach: async (which) => {
      const id = pickWorker(which);
      // The last one stays, so that there is someone to claim.
      if (attachments.size < 2) return;
      const nowMs = await now();
      // Whether a lease that is over but not yet found out is given back or lost is up to the store.
      if ((model.leases.get(id) ?? Number.POSITIVE_INFINITY) <= nowMs) return;
      model.detach(id, nowMs);
      await attachments.get(id)?.close();
      attachments.delete(id);
    },
  };
}

async function sweepAll(store: Store): ReturnType<Side["sweep"]> {
  const deadWorkers: string[] = [];
  let crashed = 0;
  let expired = 0;
  for (let step = 0; step < 100; step += 1) {
    const done = await store.sweep({ limit: 1_000 });
    deadWorkers.push(...done.deadWorkers);
    crashed += done.crashed;
    expired += done.expired;
    const { takenBack, cancelled, removed } = done;
    const isIdle =
      done.deadWorkers.length === 0 && takenBack + cancelled + removed + done.expired === 0;
    if (isIdle && !done.more) return { deadWorkers, crashed, expired };
  }
  throw new Error("the sweep should end");
}

/** A reply with the two states alike that a job may be shown in once its time has come. */
export function withoutDue<Reply extends { readonly state: JobState | null }>(reply: Reply): Reply {
  return reply.state === "scheduled" ? { ...reply, state: "ready" } : reply;
}
