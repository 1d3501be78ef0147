// A loop of exchanges on the store in memory, whose jobs and runs end as a test decides.
import { randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import { defineJob } from "../../core/define-job.ts";
import type { FlowOptions } from "../../core/flow-options.ts";
import { type JobId, createIdMaker } from "../../core/ids.ts";
import type {
  ClaimedJob,
  ExchangeReply,
  ExchangeRequest,
  SettleOutcome,
  Store,
} from "../../core/store.ts";
import { openSqliteStore } from "../../stores/sqlite/index.ts";
import { ExchangeLoop } from "./exchange-loop.ts";
import { HeldRuns, type HeldRunsParts } from "./held-runs.ts";
import { silentLogger } from "../logging/logger.ts";
import type { RunOwner } from "./runs.ts";
import { noQuickSteps } from "../quick-steps/quick-steps.fixture.ts";
import { Slots } from "../worker/slots.ts";

export const SLOTS = 32;
const WORKER = { host: "here", pid: 1, version: "0", concurrency: SLOTS, labels: [] };
export const makeId: (queue: string) => JobId = createIdMaker({ now: Date.now, randomBytes });

/** A loop, and what the test sees and moves of it. */
export interface Bench {
  readonly store: Store;
  readonly loop: ExchangeLoop;
  readonly runs: HeldRuns;
  /** What the runs that were begun have of their worker. */
  readonly owners: RunOwner[];
  readonly slots: Slots;
  /** Jobs that began and have not ended. */
  readonly running: ClaimedJob[];
  readonly begun: ClaimedJob[];
  /** What the store answered for what ended. */
  readonly answers: string[];
  /** Moves the loop's clock. */
  advance(ms: number): void;
  end(count?: number, outcome?: SettleOutcome): void;
  lose(): void;
}

type Meddle = (
  request: ExchangeRequest,
  pass: () => Promise<ExchangeReply>,
) => Promise<ExchangeReply>;

interface Setting {
  readonly jobs: number;
  readonly type?: Partial<
    Pick<FlowOptions<unknown> & { concurrency: number }, "limits" | "concurrency">
  >;
  readonly meddle?: Meddle;
  readonly leaseDurationMs?: number;
}

/** A store in memory that the test may meddle with, and jobs in it. */
async function openStore({ jobs, meddle }: Setting): Promise<Store> {
  const real = await openSqliteStore({ path: ":memory:", namespace: "default" });
  onTestFinished(() => real.close());
  await real.enqueue({
    jobs: Array.from({ length: jobs }, () => ({
      id: makeId("work"),
      type: "work",
      queue: "work",
      input: "null",
    })),
  });
  return {
    ...real,
    exchange: async (request) =>
      meddle === undefined ? real.exchange(request) : meddle(request, () => real.exchange(request)),
  };
}

/** The memory of a worker, in which runs do nothing but what the test lets their owners say. */
function holdRuns(parts: Pick<HeldRunsParts, "workerId" | "wake">, owners: RunOwner[]): HeldRuns {
  return new HeldRuns({
    ...parts,
    driver: {
      begin: (_, __, owner) => {
        owners.push(owner);
        return QUIET_RUN;
      },
    },
    logger: silentLogger,
    quick: noQuickSteps(),
    reporter: { log: () => {}, progress: () => {}, take: () => ({}) },
    giveBack: () => {},
    onEnded: () => {},
    onLeft: () => {},
  });
}

async function attach(store: Store, id: string, loop: ExchangeLoop): Promise<void> {
  const attachment = await store.attachWorker({
    worker: { ...WORKER, id, queues: ["work"], types: ["work"] },
    leaseDurationMs: 60_000,
    listener: { wake: () => loop.wake(), cancel: () => {}, lost: () => {} },
  });
  onTestFinished(() => attachment.close());
  onTestFinished(() => loop.stop());
}

/** What happens in a loop, as the test sees it. */
class Seen {
  readonly running: ClaimedJob[] = [];
  readonly begun: ClaimedJob[] = [];
  readonly answers: string[] = [];
  readonly owners: RunOwner[] = [];
  generation = 1;
  nowMs = 0;
}

/** A loop over jobs of one type, whose ends the test decides. */
export async function openLoop(setting: Setting): Promise<Bench> {
  const store = await openStore(setting);
  const type = defineJob({ name: "work", run: () => null, ...setting.type });
  const seen = new Seen();
  const slots = new Slots({ concurrency: SLOTS, labels: [] });
  slots.serve(type);
  const workerId = (): string => `worker-${seen.generation}`;
  const runs = holdRuns({ workerId, wake: () => loop.notify() }, seen.owners);
  const loop = new ExchangeLoop({
    store,
    concurrency: SLOTS,
    leaseDurationMs: setting.leaseDurationMs ?? 60_000,
    labels: [],
    pollIntervalMs: 60_000,
    slots,
    runs,
    quick: noQuickSteps(),
    workerId,
    isAttached: () => true,
    // Time goes by with each look, as slowly as it does where jobs end fast.
    monotonicMs: () => (seen.nowMs += 0.1),
    begin: (claimed) => {
      claimed.forEach(() => slots.take(type));
      seen.running.push(...claimed);
      seen.begun.push(...claimed);
    },
    cancel: () => {},
    onSettled: (_, reply) => seen.answers.push(reply.accepted ? reply.state : reply.why),
    onProgress: () => {},
  });
  await attach(store, workerId(), loop);
  return benchOf({ store, loop, runs, slots }, seen);
}

function benchOf(parts: Pick<Bench, "store" | "loop" | "runs" | "slots">, seen: Seen): Bench {
  const { loop, slots } = parts;
  const { running, begun, answers, owners } = seen;
  const retention = { ageMs: 0, count: 0 };
  return {
    ...parts,
    owners,
    running,
    begun,
    answers,
    advance: (ms) => {
      seen.nowMs += ms;
    },
    end: (
      count = running.length,
      outcome: SettleOutcome = { kind: "succeeded", result: "null", retention },
    ) => {
      for (const claimed of running.splice(0, count)) {
        slots.give("work");
        const { id, token } = claimed;
        loop.settle({ claimed, runMs: 0, settlement: { id, token, outcome } });
      }
      loop.wake();
    },
    lose: () => {
      seen.generation += 1;
      loop.forget();
    },
  };
}

const QUIET_RUN = {
  told: () => {},
  childEnded: () => {},
  cancel: () => {},
  leave: () => {},
  abandon: () => {},
  idleSinceMs: null,
};
