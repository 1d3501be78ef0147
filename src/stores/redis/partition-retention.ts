// Retention by count of a queue in partitions: how many of what ended each of its rooms keeps, so that together they
// keep those that finished last.
import type { TypeRecord } from "../../core/store.ts";
import type { Context } from "./context.ts";
import type { OpenRoom } from "./rooms.ts";
import { READ_OLDEST } from "./scripts/read.ts";
import { Arguments } from "./link/wire.ts";

/** Outcomes, with the letters of their places. */
const OUTCOME_PLACES = { succeeded: "S", failed: "F", cancelled: "C" } as const;
export type Outcome = keyof typeof OUTCOME_PLACES;
export const OUTCOMES: readonly Outcome[] = ["succeeded", "failed", "cancelled"];

/** Most that a room keeps of a type and outcome; infinite: no bound. */
export type KeptBound = (room: OpenRoom, type: TypeRecord, outcome: Outcome) => number;

/** The bound of a queue of one room. */
export const boundOfType: KeptBound = (_, type, outcome) => type.retention[outcome].count;

interface Group {
  readonly type: TypeRecord;
  readonly outcome: Outcome;
}

/** Reads what the rooms of a queue keep, and shares the bounds of its types among them. */
export async function shareBounds(
  context: Context,
  rooms: readonly OpenRoom[],
  types: ReadonlyMap<string, TypeRecord>,
  limit: number,
): Promise<KeptBound> {
  if (rooms.length === 1) return boundOfType;
  const bounded = [...types.values()].flatMap((type) =>
    OUTCOMES.filter((outcome) => Number.isFinite(type.retention[outcome].count)).map(
      (outcome): Group => ({ type, outcome }),
    ),
  );
  if (bounded.length === 0) return boundOfType;
  const counted = await readOldest(context, rooms, bounded, 0);
  const over = bounded.filter(
    ({ type, outcome }, index) => sumOf(counted, index) > type.retention[outcome].count,
  );
  const found = over.length === 0 ? [] : await readOldest(context, rooms, over, limit);
  const bounds = new Map(over.map((group, index) => [keyOf(group), shareOf(group, found, index)]));
  return (room, type, outcome) => {
    const share = bounds.get(keyOf({ type, outcome }));
    return share?.[rooms.indexOf(room)] ?? Number.POSITIVE_INFINITY;
  };
}

const keyOf = ({ type, outcome }: Group): string => `${outcome} ${type.name}`;

/** What one room keeps of a group: how many, and the oldest of them, each as its end and id, which sort as bytes do. */
interface Kept {
  readonly count: number;
  readonly oldest: readonly Buffer[];
}

const OLDEST_BYTES = 22;

function sumOf(found: readonly (readonly Kept[])[], group: number): number {
  return found.reduce((sum, room) => sum + (room[group]?.count ?? 0), 0);
}

/** How many each room keeps when the oldest of all go. */
function shareOf(
  { type, outcome }: Group,
  found: readonly (readonly Kept[])[],
  group: number,
): readonly number[] {
  const excess = sumOf(found, group) - type.retention[outcome].count;
  const goes = found
    .flatMap((kept, room) => (kept[group]?.oldest ?? []).map((ended) => ({ room, ended })))
    .sort((a, b) => Buffer.compare(a.ended, b.ended))
    .slice(0, Math.max(0, excess));
  return found.map(
    (kept, room) => (kept[group]?.count ?? 0) - goes.filter((each) => each.room === room).length,
  );
}

async function readOldest(
  context: Context,
  rooms: readonly OpenRoom[],
  groups: readonly Group[],
  limit: number,
): Promise<readonly (readonly Kept[])[]> {
  return Promise.all(
    rooms.map(async (room) => {
      const args = new Arguments().number(limit);
      for (const { type, outcome } of groups) args.text(OUTCOME_PLACES[outcome] + type.name);
      const reply = await context.link.call(READ_OLDEST, room.keys, args);
      return groups.map((_, index): Kept => {
        const ended = reply[index * 2 + 1] as Buffer;
        const oldest: Buffer[] = [];
        for (let at = 0; at < ended.length; at += OLDEST_BYTES) {
          oldest.push(ended.subarray(at, at + OLDEST_BYTES));
        }
        return { count: Number(reply[index * 2]), oldest };
      });
    }),
  );
}
