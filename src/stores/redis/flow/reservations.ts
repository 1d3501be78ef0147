// Keys that were taken for a job before it was delivered: where they are, and giving one back whose job was refused.
import type { JobId } from "../../../core/ids.ts";
import type { NewJob } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import { keyPlaceOf, placeOfKey, uniquePlaceOf } from "../layout.ts";
import { HAND_OVER_KEY, RELEASE_KEY } from "../scripts/keys.ts";
import { REFUSE_UNIQUE } from "../scripts/unique.ts";
import { Arguments } from "../link/wire.ts";

/** Field of an idempotency key. */
export function keyFieldOf(type: string, key: string): string {
  return `${type}\0${key}`;
}

/** Field of a unique key: it is of a type in its queue. */
export function uniqueFieldOf(
  { queue, type }: Pick<NewJob, "queue" | "type">,
  key: string,
): string {
  return `${queue}\0${type}\0${key}`;
}

/** Gives back what was taken for a job that its queue refused, and takes it out of the outbox. */
export async function giveBack(
  { link, namespace }: Context,
  { id, type, queue, idempotency, unique }: NewJob,
): Promise<void> {
  if (idempotency !== undefined) {
    const field = keyFieldOf(type, idempotency.key);
    const keys = keyPlaceOf(namespace, placeOfKey(field));
    await link.call(RELEASE_KEY, keys, new Arguments().text(field).text(id));
  }
  if (unique !== undefined) {
    const field = uniqueFieldOf({ queue, type }, unique.key);
    const keys = uniquePlaceOf(namespace, placeOfKey(field));
    await link.call(REFUSE_UNIQUE, keys, new Arguments().text(`${field}\0${id}`).text(id));
  }
}

/** Lets a job hold an idempotency key in place of the one that it was before it moved. */
export async function handOverKey(
  { link, namespace }: Context,
  field: string,
  ids: { readonly from: JobId; readonly to: JobId },
): Promise<void> {
  const args = new Arguments().text(field).text(ids.from).text(ids.to);
  await link.call(HAND_OVER_KEY, keyPlaceOf(namespace, placeOfKey(field)), args);
}
