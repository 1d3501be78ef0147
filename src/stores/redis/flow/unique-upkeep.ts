// Upkeep of unique keys: holders that are over are forgotten, a place after the other.
import type { JobId } from "../../../core/ids.ts";
import type { Context } from "../context.ts";
import { KEY_PLACES, uniquePlaceOf } from "../layout.ts";
import { findJobs } from "../reading.ts";
import { FORGET_UNIQUES, READ_UNIQUES } from "../scripts/unique.ts";
import { Arguments } from "../link/wire.ts";

/** Holders looked at in one step. */
const MAX_LOOKED_AT = 500;
const ID_LENGTH = 36;

/** Where the sweeps of a store are. */
export interface UniqueUpkeep {
  /** Forgets holders in the next place. Where most are over it goes on, up to a bound. Gives back how many. */
  step(context: Context, limit: number): Promise<number>;
}

/** Makes the upkeep of a store. */
export function createUniqueUpkeep(): UniqueUpkeep {
  let place = 0;
  let after = "";
  return {
    step: async (context, limit) => {
      let forgotten = 0;
      while (forgotten < limit) {
        const { members, over } = await readOver(context, place, after);
        forgotten += await forget(context, place, over);
        after = members.at(-1) ?? "";
        if (members.length === MAX_LOOKED_AT && over.length > members.length / 2) continue;
        if (members.length < MAX_LOOKED_AT) {
          place = (place + 1) % KEY_PLACES;
          after = "";
        }
        break;
      }
      return forgotten;
    },
  };
}

/** Reads holders of a place, and which of them are over: delivered, and not kept or no longer of their key. */
async function readOver(
  context: Context,
  place: number,
  after: string,
): Promise<{ readonly members: readonly string[]; readonly over: readonly string[] }> {
  const keys = uniquePlaceOf(context.namespace, place);
  const args = new Arguments().text(after).number(MAX_LOOKED_AT);
  const reply = await context.link.call(READ_UNIQUES, keys, args);
  const members: string[] = [];
  const delivered: string[] = [];
  for (let at = 0; at + 1 < reply.length; at += 2) {
    const member = String(reply[at]);
    members.push(member);
    if (Number(reply[at + 1]) === 0) delivered.push(member);
  }
  if (delivered.length === 0) return { members, over: [] };
  const jobs = await findJobs(context, delivered.map(idOf));
  const over = delivered.filter((member, index) => jobs[index]?.unique !== keyOf(member));
  return { members, over };
}

async function forget(context: Context, place: number, over: readonly string[]): Promise<number> {
  if (over.length === 0) return 0;
  const args = new Arguments();
  for (const member of over) args.text(member);
  const [forgotten] = await context.link.call(
    FORGET_UNIQUES,
    uniquePlaceOf(context.namespace, place),
    args,
  );
  return Number(forgotten);
}

function idOf(member: string): JobId {
  return member.slice(-ID_LENGTH);
}

/** A member is its queue, type, key and id with zero bytes between; only a key may have some itself. */
function keyOf(member: string): string {
  const ofKey = member.indexOf("\0", member.indexOf("\0") + 1) + 1;
  return member.slice(ofKey, -(ID_LENGTH + 1));
}
