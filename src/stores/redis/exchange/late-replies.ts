// Rooms that an exchange went on without: what they were asked to settle, until they answer.
import type { SettleReply, Settlement } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import type { RoomReply, RoomRequest } from "./room-exchange.ts";
import type { OpenRoom } from "../rooms.ts";

/** Late answers remembered for whoever settles again. */
const MAX_LATE = 10_000;
const GONE: SettleReply = { accepted: false, why: "gone" };

/** Replies to settlements that nobody waits for, by token: for whoever settles again. `null`: none yet. */
export type LateReplies = Map<string, { reply: SettleReply | null }>;

/** The rooms on the same primary, as far as they are known. */
export function roomsBeside(
  { link, rooms }: Pick<Context, "link" | "rooms">,
  room: OpenRoom,
): readonly OpenRoom[] {
  const primary = link.primaryOf(room.keys);
  if (primary === null) return [room];
  return [...rooms.opened()].filter(({ keys }) => link.primaryOf(keys) === primary);
}

/**
 * Goes on without a room: what it was asked to settle is told to whoever settles again, by the answer that comes.
 *
 * @param silent the rooms that its primary has: they are silent with it. Found out one by one, the sixty rooms of a
 *   worker on a Cluster held it up for 250 ms each time, and it ran 33 jobs a second for the first two of a failover.
 */
export function leaveRoom(
  { settlements }: RoomRequest,
  silent: readonly OpenRoom[],
  answer: Promise<RoomReply>,
  late: LateReplies,
  onAnswer: () => void,
): void {
  for (const room of silent) room.unanswered += 1;
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
    for (const room of silent) room.unanswered -= 1;
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
