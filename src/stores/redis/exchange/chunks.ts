// Settlements for one room, in as many calls as a script can take.
import type { SettleReply, Settlement } from "../../../core/store.ts";
import type { News } from "../runs/endings.ts";
import type { Context } from "../context.ts";
import { type LateReplies, keepReplies } from "./late-replies.ts";
import type { HeldClaims } from "./letters.ts";
import {
  type LateAnswer,
  type RoomReply,
  type RoomRequest,
  exchangeRoom,
} from "./room-exchange.ts";

/** What outlasts an ask. */
interface Kept {
  readonly context: Context;
  readonly held: HeldClaims;
  readonly late: LateReplies;
}

/** Most settlements in one call. */
const MAX_SETTLEMENTS = 500;

/** Asks a room; only the last of several calls claims. What those before a failed one settled is kept for the next ask. */
export async function askInChunks(
  { context, held, late }: Kept,
  request: RoomRequest,
  onLate: LateAnswer,
): Promise<RoomReply> {
  const chunks = chunksOf(request.settlements);
  const last = chunks.pop() ?? [];
  if (chunks.length === 0) return exchangeRoom(context, held, request, onLate);
  const { claim: _, ...bare } = request;
  const settled: SettleReply[] = [];
  const news: News[] = [];
  try {
    for (const settlements of chunks) {
      const before = await exchangeRoom(context, held, { ...bare, settlements }, onLate);
      settled.push(...before.settled);
      news.push(...before.news);
    }
    const reply = await exchangeRoom(context, held, { ...request, settlements: last }, onLate);
    return { ...reply, settled: [...settled, ...reply.settled], news: [...news, ...reply.news] };
  } catch (error) {
    keepReplies(late, request.settlements, settled);
    throw error;
  }
}

/** Parts that are small enough, and in which no job comes twice: a script takes them in an order of its own. */
function chunksOf(settlements: readonly Settlement[]): (readonly Settlement[])[] {
  const ids = new Set<string>();
  const chunks: (readonly Settlement[])[] = [];
  let from = 0;
  for (const [index, { id }] of settlements.entries()) {
    if (ids.has(id) || index - from === MAX_SETTLEMENTS) {
      chunks.push(settlements.slice(from, index));
      from = index;
      ids.clear();
    }
    ids.add(id);
  }
  chunks.push(from === 0 ? settlements : settlements.slice(from));
  return chunks;
}
