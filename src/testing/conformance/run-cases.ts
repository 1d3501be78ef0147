// What the cases about workflow runs share: an owner that speaks for its run, and the record as it is read.
import assert from "node:assert/strict";
import type { JobId } from "../../core/ids.ts";
import type { Advance, AdvanceReply, ChildJob, RunFact, RunPage } from "../../core/run.ts";
import type { ClaimedJob, Offer, Store } from "../../core/store.ts";
import { type StoreWorker, offerOf } from "./worker.ts";
import type { World } from "./world.ts";

/** What every case about runs needs. */
export const NEEDS: readonly ["workflows"] = ["workflows"];
/** What the workers of these cases serve: runs, and their steps. */
export const OFFERS: readonly Offer[] = [offerOf("flow"), offerOf("step")];

/** What a word says, as far as it is no matter of course. */
export type Said = Partial<Omit<Advance, "id" | "token">>;

/** Says something of a run, by its worker. */
export async function say(
  { store }: Pick<World, "store">,
  { id: worker }: StoreWorker,
  { id, token }: ClaimedJob,
  said: Said,
): Promise<AdvanceReply> {
  const usual = { from: 0, entries: [], next: { kind: "waiting" } } as const;
  const advance: Advance = { ...usual, ...said, id, token };
  const { advanced } = await store.exchange({ worker, settlements: [], advances: [advance] });
  assert.ok(advanced?.[0] !== undefined, "an advance should be answered");
  return advanced[0];
}

/** A worker that claimed a run. */
export async function beginRun(world: World): Promise<{
  readonly owner: StoreWorker;
  readonly run: ClaimedJob;
}> {
  await world.enqueue({ type: "flow" });
  const owner = await world.worker({ offers: OFFERS });
  return { owner, run: await owner.claimOne({ offers: [offerOf("flow")] }) };
}

export function step(world: World, options: Partial<ChildJob> = {}): ChildJob {
  const { token, ...rest } = options;
  const made = world.job({ type: "step", ...rest });
  return token === undefined ? made : { ...made, token };
}

export async function recordOfRun(store: Store, id: JobId): Promise<RunPage> {
  const page = await store.readRun({ id, afterEntries: 0, afterFact: null, limit: 1_000 });
  assert.ok(page !== null, "a run should have a record");
  return page;
}

export function endingIn({ body }: RunFact): Record<string, unknown> {
  return JSON.parse(body) as Record<string, unknown>;
}

/** A run that was put out of memory. */
export async function parkedRun(
  world: World,
  delayMs: number | null,
): Promise<{ readonly owner: StoreWorker; readonly run: ClaimedJob; readonly child: ChildJob }> {
  const { owner, run } = await beginRun(world);
  const child = step(world);
  const next = { kind: "parked", delayMs, facts: 0 } as const;
  const reply = await say(world, owner, run, { entries: ['"a"'], children: [child], next });
  assert.ok(reply.accepted);
  return { owner, run, child };
}
