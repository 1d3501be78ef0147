// Rooms that an exchange went on without: what they were asked to settle, until they answer.
import type { SettleReply, Settlement } from "../../core/store.ts";
import type { RoomReply, RoomRequest } from "./room-exchange.ts";

/** Late answers remembered for whoever settles again. */
const MAX_LATE = 10_000;
const GONE: SettleReply = { accepted: false, why: "gone" };

/** Replies to settlements that nobody waits for, by token: for whoever settles again. `null`: none yet. */
export type LateReplies = Map<string, { reply: SettleReply | null }>;

/** Goes on without a room: what it was asked to settle is told to whoever settles again, by the answer that comes. */
export function leaveRoom(
  { room, settlements }: RoomRequest,
  answer: Promise<RoomReply>,
  late: LateReplies,
  onAnswer: () => void,
): void {
  room.unanswered += 1;
  const entries = settlements.map(({ token }) => {
    const entry: { reply: SettleReply | null } = { reply: null };
    late.set(token, entry);
    return { token, entry };
  });
  trim(late, MAX_LATE);
  const note = ({ settled }: RoomReply): void => {
    for (const [index, { entry }] of entries.entries()) entry.reply = settled[index] ?? GONE;
  };
  const forget = (): void => {
    // Asked anew, unless another call was left for it since.
    for (const { token, entry } of entries) if (late.get(token) === entry) late.delete(token);
  };
  const end = (): void => {
    room.unanswered -= 1;
    onAnswer();
  };
  answer
    .then(note, forget)
    .finally(end)
    .catch(() => {});
}

/**
 * The exchange that settled these fails: who settles them again is told that it was done. Of what was refused whoever
 * asks again hears the same.
 */
export function keepReplies(
  late: LateReplies,
  settlements: readonly Settlement[],
  settled: readonly SettleReply[],
): void {
  for (const [index, { token }] of settlements.entries()) {
    const reply = settled[index];
    if (reply?.accepted === true) late.set(token, { reply });
  }
  trim(late, MAX_LATE);
}

/** Drops what was remembered first, down to a bound. */
export function trim(map: Pick<LateReplies, "delete" | "keys" | "size">, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
