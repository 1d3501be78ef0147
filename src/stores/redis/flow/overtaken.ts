// Jobs that a new one of their key took the place of: they are cancelled by whoever enqueued it, or by a sweep.
import type { JobId } from "../../../core/ids.ts";
import type { Context } from "../context.ts";
import { readKeys } from "./limit-keys.ts";
import { cancelJobs } from "../orders/orders.ts";
import type { OpenRoom } from "../rooms.ts";
import { DROP_DONE_TIMERS } from "../scripts/upkeep.ts";
import { Arguments, readId } from "../link/wire.ts";

/** The timer under which they are noted, in the act that took them out of what stands. */
export const OVERTAKEN = "d";
const ID_DIGITS = 32;

/** Cancels what the script of an enqueue named: after its letters a zero byte, an id and a gate for each. */
export async function cancelOvertaken(
  context: Context,
  room: OpenRoom,
  told: string,
): Promise<void> {
  const [, ...entries] = told.split("\0");
  for (const entry of entries) {
    const id = readId(Buffer.from(entry.slice(0, ID_DIGITS), "hex"));
    const [gate] = readKeys(entry.slice(ID_DIGITS));
    const reason = `a newer job of ${gate?.limit} ${JSON.stringify(gate?.key)} took its place`;
    await cancel(context, room, [id], reason);
  }
}

/** Cancels what was left by those who died before they did. */
export async function finishOvertaken(
  context: Context,
  room: OpenRoom,
  ids: readonly JobId[],
): Promise<void> {
  if (ids.length > 0) await cancel(context, room, ids, "a newer job of its key took its place");
}

async function cancel(
  context: Context,
  room: OpenRoom,
  ids: readonly JobId[],
  reason: string,
): Promise<void> {
  await cancelJobs(context, { ids, reason });
  const done = new Arguments();
  for (const id of ids) {
    done.raw(Buffer.concat([Buffer.from(OVERTAKEN), Buffer.from(id.replaceAll("-", ""), "hex")]));
  }
  await context.link.call(DROP_DONE_TIMERS, room.keys, done);
}
