// Settlements as a script takes them: what is decided by what is held, and what the letters of the answer mean.
import type { SettleReply, Settlement, TypeRecord } from "../../../core/store.ts";
import { type Held, asStored } from "./claims.ts";
import { type Context, policyOf } from "../context.ts";
import type { Ending } from "../runs/endings.ts";
import { type Move, moveResult } from "../moves.ts";
import { decideSettlement, isPlainSettlement, plainEnding } from "./settling.ts";

/** Claims by token, as far as they were made by this process. */
export type HeldClaims = Pick<ReadonlyMap<string, Held>, "get">;

/** What a plain settlement comes to. */
export const SUCCEEDED: SettleReply = { accepted: true, state: "succeeded" };

/** What a run is told of a step, and whether that is the first end of it. */
interface StepEnd {
  readonly ending: Ending;
  readonly child: Buffer;
  readonly isFirst: boolean;
}

/** Settlements as a script takes them: its letters are those of the plain ones, then of the moves. */
export interface Settling {
  readonly plain: readonly Settlement[];
  /** What runs are told of the last of the plain ones. */
  readonly steps: readonly StepEnd[];
  readonly moves: readonly Move[];
  readonly other: readonly Settlement[];
  /** What becomes of the others; one without a move is decided when its job was read. */
  readonly decided: readonly (ReturnType<typeof decideSettlement> | null)[];
}

/** Decides what can be decided by what is held. */
export async function prepareSettling(
  context: Context,
  held: HeldClaims,
  settlements: readonly Settlement[],
): Promise<Settling> {
  const sorted = sortSettlements(held, settlements);
  const types = sorted.other.length === 0 ? NO_TYPES : await context.types.read();
  const decided = sorted.other.map((settlement) => decideHeld(held, settlement, types));
  const moves = decided.flatMap((decision) => (decision?.move ? [decision.move] : []));
  return { ...sorted, decided, moves };
}

/** Reads the letters that a script answered. */
export function readReplies(
  { plain, other, decided }: Settling,
  letters: string,
): { readonly replies: Map<Settlement, SettleReply>; readonly undecided: readonly Settlement[] } {
  const replies = new Map<Settlement, SettleReply>();
  const undecided: Settlement[] = [];
  let letter = 0;
  for (const settlement of plain) {
    if (letters[letter] === "c") undecided.push(settlement);
    else replies.set(settlement, replyOf(letters[letter], SUCCEEDED));
    letter += 1;
  }
  for (const [index, settlement] of other.entries()) {
    const decision = decided[index];
    if (!decision?.move) {
      undecided.push(settlement);
      continue;
    }
    if (letters[letter] === "c") undecided.push(settlement);
    else replies.set(settlement, replyOf(letters[letter], decision.reply));
    letter += 1;
  }
  return { replies, undecided };
}

/** Settlements by how they are carried out: those that end a step of a run are the last of the plain ones. */
function sortSettlements(
  held: HeldClaims,
  settlements: readonly Settlement[],
): {
  readonly plain: readonly Settlement[];
  readonly steps: readonly StepEnd[];
  readonly other: readonly Settlement[];
} {
  const plain: Settlement[] = [];
  const ofSteps: Settlement[] = [];
  const steps: StepEnd[] = [];
  const other: Settlement[] = [];
  for (const settlement of settlements) {
    if (!isPlainSettlement(settlement)) {
      other.push(settlement);
      continue;
    }
    const claim = held.get(settlement.token);
    const ending = plainEnding(claim, settlement);
    if (claim === undefined || ending === null) plain.push(settlement);
    else {
      ofSteps.push(settlement);
      steps.push({ ending, child: claim.id, isFirst: claim.isFirst === true });
    }
  }
  return { plain: ofSteps.length === 0 ? plain : [...plain, ...ofSteps], steps, other };
}

const NO_TYPES: ReadonlyMap<string, TypeRecord> = new Map();

/** What a settlement is answered, by its letter and what it is when it is accepted. */
export function replyOf(letter: string | undefined, accepted: SettleReply): SettleReply {
  const result = moveResult(letter);
  if (result === "moved") return accepted;
  return { accepted: false, why: result === "gone" ? "gone" : "stale" };
}

function decideHeld(
  claims: HeldClaims,
  settlement: Settlement,
  types: ReadonlyMap<string, TypeRecord>,
): ReturnType<typeof decideSettlement> | null {
  const held = claims.get(settlement.token);
  if (held === undefined) return null;
  const job = asStored(held);
  if (job.record.id !== settlement.id) return null;
  const policy = policyOf(types, job.record.type, job.retention);
  return decideSettlement(job, settlement, policy, `${held.worker}\0${held.token}`);
}
