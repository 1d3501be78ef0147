// What is kept beside the record of a job that a workflow run made, or that is a run itself.
import type { JobId } from "../../../core/ids.ts";
import type { JobRecord } from "../../../core/job.ts";
import { idBytes, readId, writeId } from "../link/wire.ts";

/** Bytes: the run that made it (16, zeros: none), texts of its own record (4), a letter. */
export const KIN_BYTES = 21;
const PARENT_BYTES = 16;
const LETTER_AT = 20;
const NO_RUN = "-".charCodeAt(0);
const TOLD = "t".charCodeAt(0);
const WAITING = "w".charCodeAt(0);
const GOES_ON = "r".charCodeAt(0);
const NOBODY = Buffer.alloc(PARENT_BYTES);

/** A job's kin as it was read. */
export interface Kin {
  readonly parent: JobId | null;
  readonly entries: number;
  /** Whether it keeps a record, or was told something. */
  readonly isRun: boolean;
  /** Whether its owner has said anything of it. */
  readonly hasBegun: boolean;
  /** A run that waits at its owner. */
  readonly isWaiting: boolean;
}

/** The run that made a job, out of what is kept of its kin; `null`: none did. */
export function parentOf(bytes: Buffer): JobId | null {
  if (bytes.length < KIN_BYTES) return null;
  for (let index = 0; index < PARENT_BYTES; index += 1)
    if (bytes[index] !== 0) return readId(bytes);
  return null;
}

/** Reads what is kept of a job's kin; `null`: nothing is. */
export function readKin(bytes: Buffer): Kin | null {
  if (bytes.length < KIN_BYTES) return null;
  const letter = bytes[LETTER_AT];
  return {
    parent: parentOf(bytes),
    entries: bytes.readUInt32BE(PARENT_BYTES),
    isRun: letter !== NO_RUN,
    hasBegun: letter !== NO_RUN && letter !== TOLD,
    isWaiting: letter === WAITING,
  };
}

/** The fields of a record that its kin decides. */
export function kinFields(kin: Kin | null): Pick<JobRecord, "parent" | "entries"> {
  if (kin === null) return {};
  return {
    ...(kin.parent === null ? {} : { parent: kin.parent }),
    ...(kin.entries === 0 ? {} : { entries: kin.entries }),
  };
}

/** A run's id, as scripts take the one that made a job; empty: none did. */
export function parentBytes(parent: JobId | undefined): Buffer {
  return parent === undefined ? EMPTY : idBytes(parent);
}

const EMPTY = Buffer.alloc(0);

/** The kin of a job that a run has just made. */
export function childKin(parent: JobId): Buffer {
  const kin = Buffer.allocUnsafe(KIN_BYTES);
  writeId(parent, kin, 0);
  kin.writeUInt32BE(0, PARENT_BYTES);
  kin[LETTER_AT] = NO_RUN;
  return kin;
}

/** A run's kin after its owner said how far it is. */
export function advancedKin(before: Buffer, entries: number, isWaiting: boolean): Buffer {
  const kin = Buffer.allocUnsafe(KIN_BYTES);
  kin.set(before.length === 0 ? NOBODY : before);
  kin.writeUInt32BE(entries, PARENT_BYTES);
  kin[LETTER_AT] = isWaiting ? WAITING : GOES_ON;
  return kin;
}
