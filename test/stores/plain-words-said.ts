// What the tests of plain words say, and the runs that they say it of.
import type { Advance } from "../../src/core/run.ts";
import type { ClaimedJob, ExchangeReply, Settlement } from "../../src/core/store.ts";
import { REMOVE_AT_ONCE, type StoreWorker, offerOf } from "../../src/testing/conformance/worker.ts";
import type { World } from "../../src/testing/conformance/world.ts";

export interface Word {
  readonly run: ClaimedJob;
  readonly from: number;
  readonly entries?: readonly string[];
  readonly next?: Advance["next"];
}

/** The last word of a run of which nothing is kept. */
export const DONE = { kind: "succeeded", result: "1", retention: REMOVE_AT_ONCE } as const;

/** Says words of runs in one exchange. */
export async function say(
  { store }: Pick<World, "store">,
  { id: worker }: StoreWorker,
  words: readonly Word[],
  settlements: readonly Settlement[] = [],
): Promise<ExchangeReply> {
  const advances = words.map(
    ({ run, from, entries = [`"${from}"`], next = { kind: "running" } }) => ({
      id: run.id,
      token: run.token,
      from,
      entries,
      next,
    }),
  );
  return store.exchange({ worker, settlements, advances });
}

export const OFFERS = [offerOf("flow"), offerOf("other-flow"), offerOf("step")];

/** Runs that are claimed together. */
export async function beginRuns(
  world: World,
  owner: StoreWorker,
  length: number,
): Promise<readonly ClaimedJob[]> {
  await world.store.enqueue({ jobs: Array.from({ length }, () => world.job({ type: "flow" })) });
  return owner.claim({ offers: [offerOf("flow")] });
}
