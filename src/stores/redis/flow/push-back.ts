// A handler that pushes back on a queue in partitions: its own room is held by the settlement, and the others after it.
import { QUEUE_LIMIT } from "../../../core/flow.ts";
import type { Settlement } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import { outcomesOf } from "../exchange/patience.ts";
import type { OpenRoom } from "../rooms.ts";
import { HOLD_GATE } from "../scripts/limits.ts";
import { Arguments } from "../link/wire.ts";

/** A settlement that holds its whole queue, of which there are other rooms. */
interface Pushing {
  readonly settlement: Settlement;
  readonly room: OpenRoom;
  readonly delayMs: number;
}

/** Those among the settlements of an exchange: they are settled before anything is claimed. */
export function pushingBack(
  context: Context,
  byRoom: ReadonlyMap<OpenRoom, readonly Settlement[]>,
): readonly Pushing[] {
  const found: Pushing[] = [];
  for (const [room, settlements] of byRoom) {
    if ((context.rooms.known(room.queue)?.length ?? 0) < 2) continue;
    for (const settlement of settlements) {
      const { outcome } = settlement;
      if (!("pushBack" in outcome) || outcome.pushBack?.limit !== QUEUE_LIMIT) continue;
      found.push({ settlement, room, delayMs: outcome.pushBack.delayMs });
    }
  }
  return found;
}

/**
 * Holds the other rooms of their queues. None that is silent is waited for: it lets nothing begin meanwhile, and is held
 * when it answers.
 */
export async function holdOthers(context: Context, pushing: readonly Pushing[]): Promise<void> {
  const asked = pushing.flatMap(({ room, delayMs }) =>
    (context.rooms.known(room.queue) ?? [])
      .filter((other) => other !== room)
      .map((other) => {
        const args = new Arguments().text(QUEUE_LIMIT).number(Math.ceil(delayMs));
        const answer = context.link.call(HOLD_GATE, other.keys, args);
        return { answer, isSilent: other.unanswered > 0 };
      }),
  );
  // Their settlement was answered.
  await outcomesOf(asked, context.patienceMs, true);
}
