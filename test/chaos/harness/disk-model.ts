// A disk that forgets: what a file holds after a loss of power is what was there at its last fsync, and chance.
import type { Random } from "./random.ts";

/** Disks write sectors whole; what was not flushed may be there sector by sector. */
const SECTOR_BYTES = 512;

/** What is known to have become of writes that were not flushed when the power went. */
export type Unflushed = "none" | "random-sectors";

type Change =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly length: number };

interface FileState {
  flushed: Uint8Array;
  /** Changes that were flushed so far: the number of the first pending one. */
  flushedChanges: number;
  pending: Change[];
  /** A file whose existence was never flushed is not there after a loss of power. */
  isFlushed: boolean;
}

/** Files by path, as they are on the disk itself. */
export class DiskModel {
  readonly #files = new Map<string, FileState>();

  write(path: string, offset: number, bytes: Uint8Array): void {
    this.#file(path).pending.push({ kind: "write", offset, bytes });
  }

  truncate(path: string, length: number): void {
    this.#file(path).pending.push({ kind: "truncate", length });
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  /** Changes so far: an fsync that begins now covers them, and nothing later. */
  changesOf(path: string): number {
    const file = this.#file(path);
    return file.flushedChanges + file.pending.length;
  }

  /** An fsync ended that covers this many of the file's changes. */
  flush(path: string, changes: number): void {
    const file = this.#file(path);
    const covered = file.pending.splice(0, changes - file.flushedChanges);
    for (const change of covered) file.flushed = apply(file.flushed, change);
    file.flushedChanges += covered.length;
    file.isFlushed = true;
  }

  /** What is found when the power is back. */
  afterPowerLoss(unflushed: Unflushed, random: Random): ReadonlyMap<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const [path, file] of this.#files) {
      if (unflushed === "none") {
        if (file.isFlushed) found.set(path, file.flushed);
        continue;
      }
      const kept = file.pending.flatMap((change) => survivors(change, random));
      found.set(path, kept.reduce(apply, file.flushed.slice()));
    }
    return found;
  }

  #file(path: string): FileState {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = { flushed: new Uint8Array(0), flushedChanges: 0, pending: [], isFlushed: false };
      this.#files.set(path, file);
    }
    return file;
  }
}

/** Each sector of a write reached the disk or did not, whatever came before or after it. */
function survivors(change: Change, random: Random): readonly Change[] {
  if (change.kind === "truncate") return random.next() < 0.5 ? [change] : [];
  const parts: Change[] = [];
  for (let from = 0; from < change.bytes.length;) {
    const offset = change.offset + from;
    const to = Math.min(change.bytes.length, from + SECTOR_BYTES - (offset % SECTOR_BYTES));
    if (random.next() < 0.5) {
      parts.push({ kind: "write", offset, bytes: change.bytes.subarray(from, to) });
    }
    from = to;
  }
  return parts;
}

/** May change the bytes it is given; grows by doubling, so that a long log costs no copy a write. */
function apply(bytes: Uint8Array, change: Change): Uint8Array {
  if (change.kind === "truncate") return resized(bytes, change.length);
  const end = change.offset + change.bytes.length;
  const target = end > bytes.length ? resized(bytes, end) : bytes;
  target.set(change.bytes, change.offset);
  return target;
}

function resized(bytes: Uint8Array, length: number): Uint8Array {
  if (length <= bytes.length) return bytes.subarray(0, length);
  const room = bytes.buffer.byteLength - bytes.byteOffset;
  if (length <= room) {
    const grown = new Uint8Array(bytes.buffer, bytes.byteOffset, length);
    grown.fill(0, bytes.length);
    return grown;
  }
  const grown = new Uint8Array(new ArrayBuffer(Math.max(length, room * 2)), 0, length);
  grown.set(bytes);
  return grown;
}
