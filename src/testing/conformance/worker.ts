// A worker for cases: attached to a store, it claims and settles what it is told to and keeps what it hears.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { ErrorRecord } from "../../core/errors.ts";
import type { JobId } from "../../core/ids.ts";
import type { JobState, JsonText } from "../../core/job.ts";
import type { RunNews } from "../../core/run.ts";
import type {
  ClaimRequest,
  ClaimedJob,
  ExchangeReply,
  Offer,
  Retention,
  SettleOutcome,
  SettleReply,
  Settlement,
  Store,
  WorkerAttachment,
  WorkerDescription,
} from "../../core/store.ts";

/** Kept long enough for any case. */
export const KEEP: Retention = { ageMs: 86_400_000, count: 1_000_000 };
export const REMOVE_AT_ONCE: Retention = { ageMs: 0, count: 0 };
export const FAILURE: ErrorRecord = {
  name: "Error",
  message: "it failed",
  stack: "Error: it failed\n    at x",
};

/** Ways for a try to end, with what cases don't care about filled in. */
export const outcomes = {
  succeeded: (result: JsonText = "null", retention: Retention = KEEP): SettleOutcome => ({
    kind: "succeeded",
    result,
    retention,
  }),
  failed: (error: ErrorRecord = FAILURE, retention: Retention = KEEP): SettleOutcome => ({
    kind: "failed",
    error,
    retention,
  }),
  cancelled: (error: ErrorRecord = FAILURE, retention: Retention = KEEP): SettleOutcome => ({
    kind: "cancelled",
    error,
    retention,
  }),
  retry: (delayMs = 0, error: ErrorRecord = FAILURE): SettleOutcome => ({
    kind: "retry",
    error,
    delayMs,
  }),
  snooze: (delayMs: number): SettleOutcome => ({ kind: "snooze", delayMs }),
  release: (): SettleOutcome => ({ kind: "release" }),
} as const;

/** How a worker differs from the usual one. */
export interface WorkerOptions {
  readonly store?: Store;
  readonly id?: string;
  readonly labels?: readonly string[];
  /** Long by default: a lease that nothing renews within a case, so that advancing past it ends it for sure. */
  readonly leaseDurationMs?: number;
  /** Whether jobs may be handed to it as they are enqueued. */
  readonly takesHanded?: boolean;
  /** What it asks for unless a claim says otherwise. */
  readonly offers?: readonly Offer[];
}

/** A worker's claim, with what cases don't care about filled in. */
type ClaimOptions = Partial<Pick<ClaimRequest, "capacity" | "offers" | "labels" | "isYoung">>;

export interface StoreWorker {
  readonly id: string;
  readonly description: WorkerDescription;
  readonly leaseDurationMs: number;
  readonly attachment: WorkerAttachment;
  /** How often it was woken. */
  readonly wakes: () => number;
  readonly cancels: readonly { readonly id: JobId; readonly reason: string }[];
  readonly losses: readonly string[];
  /** What its workflow runs were told. */
  readonly news: readonly RunNews[];
  readonly exchange: (
    settlements: readonly Settlement[],
    claim?: ClaimOptions,
  ) => Promise<ExchangeReply>;
  readonly claim: (options?: ClaimOptions) => Promise<readonly ClaimedJob[]>;
  /** Claims one job, which must be there. */
  readonly claimOne: (options?: ClaimOptions) => Promise<ClaimedJob>;
  /** Settles claims; each must be accepted. */
  readonly settle: (
    outcome: SettleOutcome,
    ...claims: readonly ClaimedJob[]
  ) => Promise<readonly JobState[]>;
  /** Settles claims, whatever becomes of it. */
  readonly trySettle: (
    outcome: SettleOutcome,
    ...claims: readonly ClaimedJob[]
  ) => Promise<readonly SettleReply[]>;
}

const HOUR_MS = 3_600_000;

/** An offer of all of a queue, which has one type of the same name unless said otherwise. */
export function offerOf(queue: string, type: string = queue, capacity = 1_000): Offer {
  return { queue, type, capacity };
}

/** Attaches a worker, which is detached when the case ends. */
export async function attach(
  store: Store,
  options: WorkerOptions = {},
  endings: (() => Promise<void>)[],
): Promise<StoreWorker> {
  const offers = options.offers ?? [offerOf("mail")];
  const description: WorkerDescription = {
    id: options.id ?? `worker-${randomUUID()}`,
    host: "test-host",
    pid: 4_711,
    concurrency: 100,
    labels: options.labels ?? [],
    queues: [...new Set(offers.map(({ queue }) => queue))],
    types: [...new Set(offers.map(({ type }) => type))],
    version: "0.0.0",
  };
  const heard = {
    wakes: 0,
    cancels: [] as { id: JobId; reason: string }[],
    losses: [] as string[],
    news: [] as RunNews[],
  };
  const leaseDurationMs = options.leaseDurationMs ?? HOUR_MS;
  const attachment = await store.attachWorker({
    worker: description,
    leaseDurationMs,
    takesHanded: options.takesHanded === true,
    listener: {
      wake: () => {
        heard.wakes += 1;
      },
      cancel: (requests) => heard.cancels.push(...requests),
      lost: (reason) => heard.losses.push(reason),
      news: (news) => heard.news.push(...news),
    },
  });
  endings.push(() => attachment.close());
  return {
    ...speaking(store, description, offers),
    id: description.id,
    description,
    leaseDurationMs,
    attachment,
    wakes: () => heard.wakes,
    cancels: heard.cancels,
    losses: heard.losses,
    news: heard.news,
  };
}

function speaking(
  store: Store,
  { id: worker, labels }: WorkerDescription,
  offers: readonly Offer[],
): Pick<StoreWorker, "exchange" | "claim" | "claimOne" | "settle" | "trySettle"> {
  const tokenNonce = randomUUID().slice(0, 8);
  let nextToken = 1;
  const exchange: StoreWorker["exchange"] = async (settlements, claim) => {
    if (claim === undefined) return store.exchange({ worker, settlements });
    const { capacity = 1 } = claim;
    const firstToken = nextToken;
    nextToken += capacity;
    return store.exchange({
      worker,
      settlements,
      claim: { capacity, offers, labels, tokenNonce, firstToken, ...claim },
    });
  };
  const trySettle: StoreWorker["trySettle"] = async (outcome, ...claims) => {
    const { settled } = await exchange(claims.map(({ id, token }) => ({ id, token, outcome })));
    return settled;
  };
  return {
    exchange,
    claim: async (options = {}) => (await exchange([], { capacity: 1_000, ...options })).claimed,
    claimOne: async (options = {}) => {
      const { claimed } = await exchange([], { capacity: 1, ...options });
      assert.ok(claimed[0], "there should be a job to claim");
      assert.equal(claimed.length, 1);
      return claimed[0];
    },
    trySettle,
    settle: async (outcome, ...claims) => {
      const replies = await trySettle(outcome, ...claims);
      return replies.map((reply) => {
        assert.ok(reply.accepted, `a settlement should be accepted: ${JSON.stringify(reply)}`);
        return reply.state;
      });
    },
  };
}
