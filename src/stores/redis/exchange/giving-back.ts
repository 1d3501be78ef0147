// Claims that nobody will run: given back, as a shutdown does.
import { setTimeout as sleep } from "node:timers/promises";
import { isMillraceError } from "../../../core/errors.ts";
import { type Held, asStored } from "./claims.ts";
import { type Context, policyOf } from "../context.ts";
import { applyMoves } from "../moves.ts";
import { decideSettlement } from "./settling.ts";

/** Between two tries, where the store refuses at once. */
const AGAIN_MS = 1_000;

/** Gives claims back, however long that takes: else they would be their worker's for as long as it holds its lease. */
export async function giveBackClaims(context: Context, claims: readonly Held[]): Promise<void> {
  while (claims.length > 0) {
    try {
      return await releaseAll(context, claims);
    } catch (error) {
      if (isMillraceError(error) && error.code === "STORE_CLOSED") return;
      await sleep(AGAIN_MS, undefined, { ref: false });
    }
  }
}

async function releaseAll(context: Context, claims: readonly Held[]): Promise<void> {
  const types = await context.types.read();
  for (const claim of claims) {
    const job = asStored(claim);
    const outcome = { kind: "release" } as const;
    const settlement = { id: job.record.id, token: claim.token, outcome };
    const guard = `${claim.worker}\0${claim.token}`;
    const policy = policyOf(types, job.record.type, job.retention);
    const { move } = decideSettlement(job, settlement, policy, guard);
    if (move !== null) await applyMoves(context, claim.room, [move]);
  }
}
