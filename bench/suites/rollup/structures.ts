// The data structures of the hot path beside the maps one would use first, without any connection.
import { randomUUID } from "node:crypto";
import { PairTable } from "../../../src/rollup/pair-table.ts";
import { UuidTable } from "../../../src/rollup/uuid-table.ts";

const IDS = 1_000;
const PARENTS = 100;
/** Looked up in an order without a pattern, as messages come. */
const LOOKUPS = 1_000_000;
const MAX_PAIRS = 1_000_000;

/** Counts a pair, given two small integers. */
type CountPair = (source: number, destination: number) => void;

/** Finds the integer of a UUID that begins at a byte. */
type FindUuid = (bytes: Buffer, at: number) => number;

const PAIR_COUNTERS: Readonly<Record<string, () => CountPair>> = {
  millrace() {
    const table = new PairTable({ maxPairs: MAX_PAIRS });
    const counts = new Float64Array(MAX_PAIRS);
    return (source, destination) => {
      counts[table.index(source, destination)]! += 1;
    };
  },
  "map-number"() {
    const counts = new Map<number, number>();
    return (source, destination) => {
      const key = source * 2 ** 26 + destination;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    };
  },
  "map-text"() {
    const counts = new Map<string, number>();
    return (source, destination) => {
      const key = `${source} ${destination}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    };
  },
};

const UUID_FINDERS: Readonly<Record<string, (uuids: readonly string[]) => FindUuid>> = {
  millrace(uuids) {
    const table = new UuidTable({ maxIds: IDS });
    for (const uuid of uuids) table.intern(uuid);
    let view = new DataView(new ArrayBuffer(0));
    return (bytes, at) => {
      if (view.buffer !== bytes.buffer) view = new DataView(bytes.buffer as ArrayBuffer);
      return table.find(view, bytes.byteOffset + at);
    };
  },
  "map-text"(uuids) {
    const ids = new Map(uuids.map((uuid, id) => [uuid, id]));
    return (bytes, at) => ids.get(bytes.toString("latin1", at, at + 36))!;
  },
};

export const PAIR_COUNTER_NAMES: readonly string[] = Object.keys(PAIR_COUNTERS);
export const UUID_FINDER_NAMES: readonly string[] = Object.keys(UUID_FINDERS);

/** Pairs counted a second. */
export function measurePairs(name: string, forMs: number): number {
  const count = PAIR_COUNTERS[name]!();
  const order = Uint32Array.from({ length: LOOKUPS * 2 }, () => Math.random() * PARENTS);
  return pace(forMs, () => {
    for (let at = 0; at < order.length; at += 2) count(order[at]!, order[at + 1]!);
  });
}

/** UUIDs found a second. */
export function measureUuids(name: string, forMs: number): number {
  const uuids = Array.from({ length: IDS }, () => randomUUID());
  const find = UUID_FINDERS[name]!(uuids);
  const bytes = Buffer.from(uuids.join(""));
  const order = Uint32Array.from({ length: LOOKUPS }, () => Math.random() * IDS);
  let sum = 0;
  const found = pace(forMs, () => {
    for (const id of order) sum += find(bytes, id * 36) - id;
  });
  if (sum !== 0) throw new Error(`${name} found wrong ids`);
  return found;
}

/** Lookups a second of processor time, after a first run that warms up; so other programs weigh less. */
function pace(forMs: number, run: () => void): number {
  run();
  const started = process.cpuUsage();
  let lookups = 0;
  for (;;) {
    run();
    lookups += LOOKUPS;
    const spentMs = process.cpuUsage(started).user / 1_000;
    if (spentMs >= forMs) return (lookups / spentMs) * 1_000;
  }
}
