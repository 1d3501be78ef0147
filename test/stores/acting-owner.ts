// What the tests of acts share: an owner that begins runs, and says of them what comes with the ends of their steps.
import type { ChildJob } from "../../src/core/index.ts";
import type {
  ClaimedJob,
  ExchangeReply,
  Offer,
  SettleOutcome,
  Settlement,
} from "../../src/core/store.ts";
import { step } from "../../src/testing/conformance/run-cases.ts";
import {
  REMOVE_AT_ONCE,
  type StoreWorker,
  offerOf,
  outcomes,
} from "../../src/testing/conformance/worker.ts";
import type { World } from "../../src/testing/conformance/world.ts";

const QUEUES = ["flow", "other-flow", "step", "other-step"] as const;
/** What owners serve: runs and steps of several queues. */
export const OFFERS: readonly Offer[] = QUEUES.map((queue) => offerOf(queue));

/** A run with a step. */
export interface Begun {
  readonly run: ClaimedJob;
  readonly child: ClaimedJob;
}

/** A run of a type, with a step of another that its owner has claimed. */
export async function begin(
  world: World,
  owner: StoreWorker,
  type: string,
  of: string,
): Promise<Begun> {
  await world.enqueue({ type });
  const run = await owner.claimOne({ offers: [offerOf(type)] });
  await sayWith(world, owner, {
    settlements: [],
    words: [{ run, makes: [step(world, { type: of })] }],
  });
  return { run, child: await owner.claimOne({ offers: [offerOf(of)] }) };
}

/** What an owner says of a run. */
export interface Words {
  readonly run: ClaimedJob;
  readonly from?: number;
  readonly after?: ClaimedJob;
  readonly makes?: readonly ChildJob[];
}

/** Says words of runs in the exchange that settles jobs. */
export async function sayWith(
  { store }: World,
  { id: worker }: StoreWorker,
  said: { readonly settlements: readonly Settlement[]; readonly words: readonly Words[] },
): Promise<ExchangeReply> {
  return store.exchange({
    worker,
    settlements: said.settlements,
    advances: said.words.map(({ run, from = 0, after, makes }) => ({
      id: run.id,
      token: run.token,
      from,
      entries: [`"${from}"`],
      ...(makes === undefined ? {} : { children: makes }),
      ...(after === undefined ? {} : { after: [after.id] }),
      next: { kind: "waiting" },
    })),
  });
}

/** Nothing is kept of what ends so. */
const ended: SettleOutcome = outcomes.succeeded('"done"', REMOVE_AT_ONCE);

/** The end of a step that was claimed. */
export function settling({ id, token }: ClaimedJob, outcome = ended): Settlement {
  return { id, token, outcome };
}

/** The end of a step that was handed over. */
export function endOf({ id, token = "" }: ChildJob): Settlement {
  return { id, token, outcome: ended };
}
