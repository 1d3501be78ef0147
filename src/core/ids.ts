// Job ids: UUID version 7 (RFC 9562), ordered by time, with the queue's hash in the last 16 bits.

/** A UUIDv7 in its usual lower-case text form. */
export type JobId = string;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text has the form of a job id. */
export function isJobId(text: string): text is JobId {
  return UUID.test(text);
}

/**
 * 16 bits that stand for a queue: FNV-1a folded. The last four hex digits of every id of that queue's jobs are its
 * hash, so that a store cut into many places finds a job by its id alone.
 */
export function queueHash(queue: string): number {
  const hash = fnv1a(queue);
  return ((hash >>> 16) ^ hash) & 0xffff;
}

/** FNV-1a over the UTF-16 units of a text. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash;
}

/** What ids are made of. */
export interface IdSource {
  /** Milliseconds since 1970. */
  now(): number;
  /** Fresh random bytes. */
  randomBytes(length: number): Uint8Array;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);
/** Random bytes fetched at a time: one call of the generator serves 1,024 ids. */
const POOL_BYTES = 6 * 1_024;

/**
 * Makes a maker of ids. Ids of one maker ascend, also within a millisecond (a 12-bit counter in `rand_a`, RFC 9562
 * method 1; past 4,096 ids in a millisecond the time runs ahead), so that first in is first out.
 */
export function createIdMaker(source: IdSource): (queue: string) => JobId {
  let lastMs = 0;
  let counter = 0;
  let pool: Uint8Array = new Uint8Array(0);
  let used = 0;
  // What an id begins with is the same for all of a millisecond.
  let start = "";
  let startMs = -1;
  const hashes = new Map<string, string>();
  return (queue) => {
    const nowMs = Math.floor(source.now());
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = 0;
    } else {
      counter += 1;
      if (counter > 0xfff) {
        lastMs += 1;
        counter = 0;
      }
    }
    if (used + 6 > pool.length) {
      pool = source.randomBytes(POOL_BYTES);
      used = 0;
    }
    const byte = (offset: number): string => HEX[pool[used + offset] ?? 0] ?? "00";
    const variant = HEX[((pool[used] ?? 0) & 0x3f) | 0x80] ?? "80";
    if (startMs !== lastMs) {
      startMs = lastMs;
      start = startOf(lastMs);
    }
    const count = `${(counter >>> 8).toString(16)}${HEX[counter & 0xff] ?? ""}`;
    const text = `${start}${count}-${variant}${byte(1)}-${byte(2)}${byte(3)}${byte(4)}${byte(5)}${hashText(queue, hashes)}`;
    used += 6;
    return text;
  };
}

/** A whole number in so many hex digits. */
function hexOf(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** What the ids of a millisecond begin with: the time, and the version. */
function startOf(timeMs: number): string {
  const time = hexOf(timeMs, 12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7`;
}

/** Queues whose hash text is remembered; beyond it the memory starts anew. */
const MAX_REMEMBERED_HASHES = 10_000;

function hashText(queue: string, hashes: Map<string, string>): string {
  let text = hashes.get(queue);
  if (text === undefined) {
    if (hashes.size >= MAX_REMEMBERED_HASHES) hashes.clear();
    text = hexOf(queueHash(queue), 4);
    hashes.set(queue, text);
  }
  return text;
}

/**
 * Makes the maker of the ids of a run's steps: the same for the same step whoever asks, so that a step which is tried
 * again after its process died is known by its id. They go up with the number of the step, from the time of the run's id
 * (past each 4,096 steps by a millisecond). `life`: how often the run began anew; its steps then are others.
 */
export function createStepIds(
  run: JobId,
  life: number,
): (step: number, type: string, queue: string) => JobId {
  // What made the run's id unique, under another 32 bits: else a step could have the id of a job of the same millisecond.
  const middle = run.slice(18, 24);
  const own = fnv1a(`${run}:${life}`);
  // Most runs take few steps, of few types.
  let laterMs = 0;
  let start = run.slice(0, 15);
  let lastType: string | undefined;
  let lastQueue: string | undefined;
  let rest = "";
  return (step, type, queue) => {
    if (step >>> 12 !== laterMs) {
      laterMs = step >>> 12;
      start = startOf(idTimeMs(run) + laterMs);
    }
    if (type !== lastType || queue !== lastQueue) {
      lastType = type;
      lastQueue = queue;
      rest = hexOf((own ^ fnv1a(type)) >>> 0, 8) + hexOf(queueHash(queue), 4);
    }
    return `${start}${hexOf(step & 0xfff, 3)}${middle}${rest}`;
  };
}

/** The id that a job gets which moves to another queue: the same but for the queue's hash, so it is moved once. */
export function idInQueue(id: JobId, queue: string): JobId {
  return id.slice(0, -4) + hexOf(queueHash(queue), 4);
}

/** When an id was made, in milliseconds since 1970. */
export function idTimeMs(id: JobId): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
