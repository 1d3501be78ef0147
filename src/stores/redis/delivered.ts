// What was brought to where it belongs is taken out of the outbox that it stood in, a little later and together.
import type { Link } from "./link/link.ts";
import type { OpenRoom } from "./rooms.ts";
import { FORGET_DELIVERED } from "./scripts/run-records.ts";
import { Arguments } from "./link/wire.ts";

/** Entries gather for so long: at a thousand steps a second one call takes out twenty. */
const GATHER_MS = 20;
/** Entries in one call. */
const MAX_ENTRIES = 1_000;

/** Notes what arrived. */
export interface Delivered {
  /** An entry of a room's outbox arrived. */
  arrived(room: OpenRoom, field: Buffer): void;
  /** A worker heard what a run of its own was told. */
  heard(room: OpenRoom, row: Buffer): void;
  /** Takes out all that is noted. Best effort: what stays is delivered again, which changes nothing. */
  flush(): Promise<void>;
}

interface Noted {
  fields: Buffer[];
  rows: Buffer[];
}

/** Makes it for a store. */
export function createDelivered(link: Pick<Link, "call">): Delivered {
  const noted = new Map<OpenRoom, Noted>();
  let timer: NodeJS.Timeout | null = null;
  const flush = async (): Promise<void> => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const calls: Promise<unknown>[] = [];
    for (const [room, { fields, rows }] of noted) {
      for (let from = 0; from < Math.max(fields.length, rows.length); from += MAX_ENTRIES) {
        const now = fields.slice(from, from + MAX_ENTRIES);
        const args = new Arguments().number(now.length);
        for (const field of now) args.raw(field);
        for (const row of rows.slice(from, from + MAX_ENTRIES)) args.raw(row);
        calls.push(link.call(FORGET_DELIVERED, room.keys, args));
      }
    }
    noted.clear();
    await Promise.allSettled(calls);
  };
  const of = (room: OpenRoom): Noted => {
    timer ??= setTimeout(() => void flush(), GATHER_MS).unref();
    let known = noted.get(room);
    if (known === undefined) noted.set(room, (known = { fields: [], rows: [] }));
    return known;
  };
  return {
    arrived: (room, field) => void of(room).fields.push(field),
    heard: (room, row) => void of(room).rows.push(row),
    flush,
  };
}
