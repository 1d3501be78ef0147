// Room on the disk: what its file system says is free, and what became of the last writes.
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { Finding } from "../../core/store-description.ts";
import type { Connection } from "./thread/connection.ts";

/** A request of the job service may have this much (16 times as much in bulk): with less left, any may be the last. */
const LEAST_FREE_BYTES = 1_048_576;
/** Four write-ahead logs of their usual size: below it, a day's backlog may be what fills the disk. */
const LOW_FREE_BYTES = 64 * 1_048_576;
/**
 * How long a refused write counts where the file system says that there is room: as long as clients are told to wait
 * (`retry-after`). Where nobody is sent here any more, nobody's write could prove that there is room again.
 */
const REFUSAL_HOLDS_MS = 10_000;

/** Remembers whether the last write was refused for want of room. */
export class WriteRefusal {
  readonly #connection: Connection;
  #refused: { readonly atMs: number; readonly changes: number } | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A transaction was rolled back, since the disk is full. `nowMs` is of the monotonic clock, here and below. */
  refused(nowMs: number): void {
    this.#refused = { atMs: nowMs, changes: this.#changes() };
  }

  /** A transaction was committed: unless it had nothing to write, there is room. */
  committed(): void {
    if (this.#refused !== null && this.#changes() > this.#refused.changes) this.#refused = null;
  }

  /** Whether the last write was refused, and that not long ago. */
  holds(nowMs: number): boolean {
    return this.#refused !== null && nowMs - this.#refused.atMs < REFUSAL_HOLDS_MS;
  }

  #changes(): number {
    return Number(this.#connection.first("SELECT total_changes()")?.[0]);
  }
}

/** The bytes free for this user beside a file; null where the file system does not say. */
export function freeBytesBeside(path: string): number | null {
  try {
    const { blocks, bavail, bsize } = statfsSync(dirname(path));
    return blocks === 0 ? null : bavail * bsize;
  } catch {
    return null;
  }
}

/** Whether writes are refused for want of room, or the next may be. */
export function hasNoRoom(freeBytes: number | null, isRefused: boolean): boolean {
  return isRefused || (freeBytes !== null && freeBytes < LEAST_FREE_BYTES);
}

/** What `doctor` finds of the room. */
export function roomFindings(
  path: string,
  freeBytes: number | null,
  isRefused: boolean,
): readonly Finding[] {
  const left = freeBytes === null ? "" : ` (${freeBytes} bytes are free)`;
  if (hasNoRoom(freeBytes, isRefused)) {
    return [
      {
        level: "problem",
        message: `the disk of ${path} is full${left}: ${isRefused ? "the last write was refused" : "the next write may be refused"}; make room, the store works on by itself`,
      },
    ];
  }
  if (freeBytes === null || freeBytes >= LOW_FREE_BYTES) return [];
  return [
    {
      level: "warning",
      message: `the disk of ${path} is nearly full${left}; make room before enqueues are refused`,
    },
  ];
}
