// Claims that workers of this process hold, and which lanes a worker may claim from.
import type { ClaimRequest, ClaimedJob } from "../../../core/store.ts";
import { KIN_BYTES, type Kin, readKin } from "../runs/kin.ts";
import {
  FLAG,
  HEAD_BYTES,
  RUN_HEAD_BYTES,
  type LaneDefinition,
  type StoredJob,
  readJob,
  readLaneField,
  readRetention,
  type Extras,
} from "../records.ts";
import type { Lane, OpenRoom } from "../rooms.ts";
import { readId, readTime } from "../link/wire.ts";

/** A claimed job as it was when it was claimed: while it runs only its worker changes it. */
export interface Held {
  readonly room: OpenRoom;
  readonly worker: string;
  readonly token: string;
  readonly lane: Lane;
  readonly id: Buffer;
  readonly record: Buffer;
  readonly extras: string;
  /** Empty where no workflow run is concerned. */
  readonly kin: Buffer;
  readonly startedAtMs: number;
  /** It was handed over by the act that made its job: this is the first claim of it, and so its first end. */
  readonly isFirst?: true;
  /** Its worker ran it before it was claimed, and says so again where it is not told that it is its own. */
  readonly isBegun?: true;
}

/** Reads a claimed job out of the reply of an exchange. */
export function readClaimed(held: Held): ClaimedJob {
  const { record, lane, room } = held;
  const extras: Extras = held.extras === "" ? {} : (JSON.parse(held.extras) as Extras);
  return {
    id: readId(held.id),
    type: lane.type,
    queue: room.queue,
    input: record.toString("utf8", HEAD_BYTES),
    token: held.token,
    attempt: (extras.a ?? 0) + 1,
    crashes: extras.c ?? 0,
    enqueuedAtMs: readTime(record, 5),
    dueAtMs: readTime(record, 11),
    startedAtMs: held.startedAtMs,
    tags: extras.g ?? [],
    ...(extras.y === undefined ? {} : { retention: readRetention(extras.y) }),
    ...(extras.r === undefined ? {} : { terms: extras.r }),
    ...(held.kin.length === 0 ? {} : claimedKin(readKin(held.kin))),
  };
}

function claimedKin(kin: Kin | null): Pick<ClaimedJob, "parent" | "resumes"> {
  return {
    ...(kin?.parent == null ? {} : { parent: kin.parent }),
    ...(kin?.isRun === true ? { resumes: true } : {}),
  };
}

/** A held job as transitions take it. */
export function asStored(held: Held): StoredJob {
  const claim = `${held.worker}\0${held.token}`;
  const run = Buffer.allocUnsafe(RUN_HEAD_BYTES + Buffer.byteLength(claim));
  run.fill(0, 0, 3);
  run.writeUIntBE(held.startedAtMs, 3, 6);
  run.utf8Write(claim, RUN_HEAD_BYTES);
  return readJob(
    held.room.queue,
    {
      id: held.id,
      record: held.record,
      run,
      extras: held.extras,
      progress: "",
      result: "",
      kin: held.kin,
      lane: held.lane,
    },
    held.startedAtMs,
  );
}

/** Reads a room's lanes: number and slot by field, and the version of the table. */
export function readLanes(parts: readonly unknown[]): OpenRoom["lanes"] {
  const all: Lane[] = [];
  let version = "";
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const field = String(parts[at]);
    const value = parts[at + 1] as Buffer;
    if (field === "v") version = value.toString();
    else {
      all.push({
        ...readLaneField(field),
        number: value.subarray(0, 2),
        slot: value[2] ?? 0,
      });
    }
  }
  return { version, all };
}

/** A lane that a request may claim from, with the offer that it comes under. */
export interface ServedLane {
  readonly lane: Lane;
  /** From 1. */
  readonly offer: number;
}

/** The lanes of a room that a request serves: offered types, every required label at hand; of suspects or of others. */
export function servedLanes(
  room: OpenRoom,
  request: ClaimRequest,
  company: number,
): { readonly lanes: readonly ServedLane[]; readonly capacities: readonly number[] } {
  const offers = request.offers.filter(
    ({ queue, capacity }) => queue === room.queue && capacity > 0,
  );
  const lanes: ServedLane[] = [];
  for (const lane of room.lanes.all) {
    if (lane.company !== company) continue;
    const offer = offers.findIndex(({ type }) => type === lane.type);
    if (offer >= 0 && hasLabels(lane, request.labels)) lanes.push({ lane, offer: offer + 1 });
  }
  return { lanes, capacities: offers.map(({ capacity }) => capacity) };
}

function hasLabels(lane: LaneDefinition, labels: readonly string[]): boolean {
  return lane.labels.every((label) => labels.includes(label));
}

/** Who claimed, when, and with which tokens. */
interface ClaimedBy {
  readonly worker: string;
  readonly tokenNonce: string;
  readonly startedAtMs: number;
}

/** Reads the jobs that a call claimed, as the script put them together. */
export function readHeld(room: OpenRoom, texts: readonly Buffer[], by: ClaimedBy): Held[] {
  const held: Held[] = [];
  for (const text of texts) readText(room, text, by, held);
  return held;
}

function readText(room: OpenRoom, packed: Buffer, by: ClaimedBy, held: Held[]): void {
  let number = packed.readUIntBE(0, NUMBER_BYTES);
  for (let at = NUMBER_BYTES; at < packed.length; number += 1) {
    const recordAt = at + ID_BYTES + LENGTHS_BYTES;
    const besideAt = recordAt + packed.readUInt32BE(at + ID_BYTES);
    const endAt = besideAt + packed.readUInt32BE(at + ID_BYTES + 4);
    const record = packed.subarray(recordAt, besideAt);
    const lane = laneByNumber(room, packed.readUInt16BE(recordAt + 3));
    if (lane !== undefined) {
      const kinBytes = ((record[1] ?? 0) & FLAG.kin) === 0 ? 0 : KIN_BYTES;
      held.push({
        room,
        worker: by.worker,
        token: `${by.tokenNonce}.${number}`,
        lane,
        id: packed.subarray(at, at + ID_BYTES),
        record,
        extras:
          besideAt + kinBytes === endAt ? "" : packed.toString("utf8", besideAt + kinBytes, endAt),
        kin: kinBytes === 0 ? NO_KIN : packed.subarray(besideAt, besideAt + kinBytes),
        startedAtMs: by.startedAtMs,
      });
    }
    at = endAt;
  }
}

/** A letter, and the nonce of the call as hex digits. */
const HANDED_TOKEN_CHARACTERS = 25;
const ID_BYTES = 16;
/** Bytes of the record and of what is beside it. */
const LENGTHS_BYTES = 8;
/** The number of the first job's token. */
const NUMBER_BYTES = 6;
const TIME_BYTES = 6;

/** Reads the message about a job that was handed to a worker; `null`: of a room or lane that is not known here. */
export function readHanded(
  message: Buffer,
  worker: string,
  roomOf: (name: string) => OpenRoom | undefined,
): Held | null {
  const tokenAt = 1 + ID_BYTES + TIME_BYTES;
  const nameAt = tokenAt + HANDED_TOKEN_CHARACTERS + 2;
  const recordAt = nameAt + message.readUInt16BE(nameAt - 2);
  const room = roomOf(message.toString("utf8", nameAt, recordAt));
  const record = message.subarray(recordAt);
  const lane = room && laneByNumber(room, record.readUInt16BE(3));
  if (room === undefined || lane === undefined) return null;
  return {
    room,
    worker,
    token: message.latin1Slice(tokenAt, tokenAt + HANDED_TOKEN_CHARACTERS),
    lane,
    id: message.subarray(1, 1 + ID_BYTES),
    record,
    extras: "",
    kin: NO_KIN,
    startedAtMs: readTime(message, 1 + ID_BYTES),
  };
}

const NO_KIN = Buffer.alloc(0);

function laneByNumber(room: OpenRoom, number: number): Lane | undefined {
  const { all } = room.lanes;
  if (all.length === 1) return all[0];
  return all.find((lane) => lane.number.readUInt16BE(0) === number);
}
