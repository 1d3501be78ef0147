// What the store says of itself.
import { statSync } from "node:fs";
import type { Durability, Finding, StoreDescription } from "../../core/store-description.ts";
import type { Context } from "./context.ts";
import { freeBytesBeside, hasNoRoom, roomFindings } from "./room.ts";
import { SCHEMA_VERSION } from "./schema.ts";

const CAN_LOSE: Readonly<Record<Durability, string>> = {
  memory:
    "anything, the soundness of the file included, when the machine loses power; nothing when only the process ends",
  os: "work acknowledged since the last checkpoint, when the machine loses power; nothing when only the process ends",
  fsync: "nothing that was acknowledged, as long as the disk keeps what it says it has written",
  replicated:
    "nothing that was acknowledged, as long as the disk keeps what it says it has written",
};

/** A WAL this large is not being reset: a reader in some process stays open, or checkpoints fail. */
const LARGE_WAL_BYTES = 256 * 1_024 * 1_024;

/** Describes the store. */
export function describe(context: Context, durability: Durability): StoreDescription {
  const { connection, path } = context;
  const isMemory = path === ":memory:";
  const walBytes = isMemory ? 0 : sizeOf(`${path}-wal`);
  const freeBytes = isMemory ? null : freeBytesBeside(path);
  const isRefused = context.writeRefusal.holds(performance.now());
  return {
    kind: "sqlite",
    version: String(connection.first("SELECT sqlite_version()")?.[0]),
    location: path,
    namespace: context.namespaceName,
    durability: isMemory ? "memory" : durability,
    canLose: isMemory ? "everything, when the process ends" : CAN_LOSE[durability],
    findings: [
      ...findings(isMemory, durability, walBytes),
      ...roomFindings(path, freeBytes, isRefused),
    ],
    isFull: hasNoRoom(freeBytes, isRefused),
    nowMs: context.nowMs,
    facts: {
      schemaVersion: SCHEMA_VERSION,
      fileBytes: isMemory ? 0 : sizeOf(path),
      walBytes,
      ...(freeBytes === null ? {} : { freeDiskBytes: freeBytes }),
      lanes: context.lanes.all().length,
    },
  };
}

function findings(isMemory: boolean, durability: Durability, walBytes: number): Finding[] {
  if (isMemory) {
    return [{ level: "warning", message: "jobs are in memory only; give a file to keep them" }];
  }
  const found: Finding[] = [
    {
      level: "ok",
      message:
        "the file must be on a local disk: locks of network file systems do not hold, and the write-ahead log needs shared memory",
    },
  ];
  if (durability === "memory" || durability === "os") {
    found.push({
      level: "warning",
      message: `durability is "${durability}"; "fsync" loses nothing that was acknowledged`,
    });
  }
  if (walBytes > LARGE_WAL_BYTES) {
    found.push({
      level: "warning",
      message: `the write-ahead log has ${walBytes} bytes; look for a program that keeps a read transaction open on the file`,
    });
  }
  return found;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
