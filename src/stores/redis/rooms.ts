// The queues of a namespace and their rooms: found by name, and by the hash in a job's id.
import { type JobId, queueHash } from "../../core/ids.ts";
import { MillraceError } from "../../core/errors.ts";
import type { LaneDefinition } from "./records.ts";
import { type Directory, type Room, hashInId, partitionOf, roomOf } from "./layout.ts";
import type { Link } from "./link/link.ts";

/** Most partitions of a queue: beyond the primaries of a large Cluster they only cost. */
export const MAX_PARTITIONS = 64;
/** Most nonces of arrived replies that one call carries; others wait for the next. */
const MAX_ARRIVED = 64;

/** A lane as a room's table has it. */
export interface Lane extends LaneDefinition {
  /** Two bytes. */
  readonly number: Buffer;
  /** Its list, from 1; 0 when its jobs wait in the sorted set. */
  readonly slot: number;
}

/** A room, with what this process remembers of it. */
export interface OpenRoom extends Room {
  /** Whether somebody followed its events when last heard of. */
  isFollowed: boolean;
  /** Whether limits were seen to count its jobs when last heard of. */
  isLimited: boolean;
  /** Nonces of calls whose replies arrived: the next call lets the room forget them. */
  arrived: Buffer[];
  /** The lanes, with the version of the table. */
  lanes: { readonly version: string; readonly all: readonly Lane[] };
  /** Workers of this process that are in its idle registry. */
  readonly idle: Set<string>;
  /** Whether it had more to claim than was taken when last heard of, or a message said that it has. */
  isHot: boolean;
  /**
   * Calls to its primary that nobody waits for any more, and that have no answer yet: beyond 0 it is left alone.
   */
  unanswered: number;
  /** Since when suspects wait in it, as far as this process saw them come; `null`: none. */
  suspectsSinceMs: number | null;
  /** When it was last looked at for them. */
  suspectsLookedAtMs: number;
}

/** What becomes of a queue that nobody named yet. */
interface NewQueue {
  /** It is made known. */
  readonly isNew: boolean;
  /** Its jobs are counted: it gets one partition, unless it is named among those that are cut in more. */
  readonly isWhole?: boolean;
}

/** The rooms. */
export interface Rooms {
  /** The room of a job of a queue, which is made known when it is new. */
  ofJob(queue: string, id: JobId): Promise<OpenRoom>;
  /** The same for a queue that is known. */
  ofKnown(queue: string, id: JobId): OpenRoom;
  /** The rooms of a queue, one a partition, if anybody ever named it. */
  ofQueue(queue: string, options?: NewQueue): Promise<readonly OpenRoom[]>;
  /** The rooms in which a job may be, by its id alone: one, or more when the hashes of two queues are equal. */
  ofId(id: JobId): Promise<readonly OpenRoom[]>;
  /** The one room in which a job can be, by what is known; `null`: it must be asked, or there are more. */
  knownOfId(id: JobId): OpenRoom | null;
  /** What is known without asking. */
  known(queue: string): readonly OpenRoom[] | undefined;
  byName(name: string): OpenRoom | undefined;
  /** Every room that is known without asking. */
  opened(): Iterable<OpenRoom>;
  /** Every room of the namespace. */
  all(): Promise<readonly OpenRoom[]>;
  /** Names of all queues. */
  queues(): Promise<readonly string[]>;
}

/** What rooms are opened with. */
export interface RoomsOptions {
  readonly link: Link;
  readonly namespace: string;
  readonly directory: Directory;
  /** How many partitions a queue gets that is new. */
  readonly partitionsOf: (queue: string, isWhole: boolean) => number;
  /** Called with the rooms of a queue that this process made known, before anything is written there. */
  readonly onNew: (rooms: readonly OpenRoom[]) => Promise<void>;
}

/** Opens the rooms of a namespace. */
export function openRooms(options: RoomsOptions): Rooms {
  return new KnownRooms(options);
}

class KnownRooms implements Rooms {
  readonly #options: RoomsOptions;
  readonly #byQueue = new Map<string, readonly OpenRoom[]>();
  readonly #byHash = new Map<number, string[]>();
  readonly #byName = new Map<string, OpenRoom>();
  readonly #registering = new Map<string, Promise<readonly OpenRoom[]>>();
  #refreshing: Promise<void> | null = null;

  constructor(options: RoomsOptions) {
    this.#options = options;
  }

  known(queue: string): readonly OpenRoom[] | undefined {
    return this.#byQueue.get(queue);
  }

  byName(name: string): OpenRoom | undefined {
    return this.#byName.get(name);
  }

  opened(): Iterable<OpenRoom> {
    return this.#byName.values();
  }

  ofKnown(queue: string, id: JobId): OpenRoom {
    return partOf(this.#byQueue.get(queue) ?? [], id);
  }

  async ofJob(queue: string, id: JobId): Promise<OpenRoom> {
    return partOf(this.#byQueue.get(queue) ?? (await this.#register(queue)), id);
  }

  async ofQueue(
    queue: string,
    { isNew, isWhole = false }: NewQueue = { isNew: false },
  ): Promise<readonly OpenRoom[]> {
    const known = this.#byQueue.get(queue);
    if (known !== undefined) return known;
    if (isNew) return this.#register(queue, isWhole);
    await this.#refresh();
    return this.#byQueue.get(queue) ?? [];
  }

  async ofId(id: JobId): Promise<readonly OpenRoom[]> {
    const hash = hashInId(id);
    if (!this.#byHash.has(hash)) await this.#refresh();
    const queues = this.#byHash.get(hash) ?? [];
    return queues.map((queue) => partOf(this.#byQueue.get(queue) ?? [], id));
  }

  knownOfId(id: JobId): OpenRoom | null {
    const queues = this.#byHash.get(hashInId(id)) ?? [];
    const [queue] = queues;
    if (queue === undefined || queues.length > 1) return null;
    return partOf(this.#byQueue.get(queue) ?? [], id);
  }

  async all(): Promise<readonly OpenRoom[]> {
    await this.#refresh();
    return [...this.#byQueue.values()].flat();
  }

  async queues(): Promise<readonly string[]> {
    await this.#refresh();
    return [...this.#byQueue.keys()];
  }

  #learn(queue: string, partitions: number): readonly OpenRoom[] {
    const known = this.#byQueue.get(queue);
    if (known !== undefined) return known;
    const rooms = Array.from({ length: partitions }, (_, partition) =>
      openRoom(roomOf(this.#options.namespace, queue, partition)),
    );
    this.#byQueue.set(queue, rooms);
    for (const room of rooms) this.#byName.set(room.name, room);
    const hash = queueHash(queue);
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), queue]);
    return rooms;
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readQueues().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #readQueues(): Promise<void> {
    const { link, directory } = this.#options;
    const found = (await link.command("hgetall", [directory.queues])) as Record<string, string>;
    for (const [queue, partitions] of Object.entries(found)) {
      this.#learn(queue, Number(partitions));
    }
  }

  #register(queue: string, isWhole = false): Promise<readonly OpenRoom[]> {
    let registering = this.#registering.get(queue);
    if (registering === undefined) {
      registering = this.#makeKnown(queue, isWhole).finally(() => this.#registering.delete(queue));
      this.#registering.set(queue, registering);
    }
    return registering;
  }

  async #makeKnown(queue: string, isWhole: boolean): Promise<readonly OpenRoom[]> {
    const { link, directory, partitionsOf, onNew } = this.#options;
    const wanted = partitionsOf(queue, isWhole);
    // Whoever came first decided, for an id leads to its partition by their number.
    const read = async (): Promise<unknown> => link.command("hget", [directory.queues, queue]);
    let decided = await read();
    let isNew = false;
    if (decided === null) {
      const entry = [directory.queues, queue, wanted];
      isNew = Number(await link.command("hsetnx", entry, { isWrite: true })) === 1;
      decided = await read();
    }
    const rooms = this.#learn(queue, Number(decided));
    if (isNew) await onNew(rooms);
    return rooms;
  }
}

function partOf(rooms: readonly OpenRoom[], id: JobId): OpenRoom {
  const room = rooms[partitionOf(id, rooms.length)];
  if (room === undefined)
    throw new MillraceError("STORE_FAILED", { message: "a queue has no room" });
  return room;
}

function openRoom(room: Room): OpenRoom {
  return {
    ...room,
    isFollowed: false,
    isLimited: false,
    arrived: [],
    lanes: { version: "", all: [] },
    idle: new Set(),
    isHot: false,
    unanswered: 0,
    suspectsSinceMs: null,
    suspectsLookedAtMs: 0,
  };
}

/** Takes the nonces that the next call to a room carries, as one argument. */
export function takeArrived(room: OpenRoom): Buffer {
  // One, usually: no need to copy it.
  if (room.arrived.length < 2) return room.arrived.pop() ?? NONE;
  return Buffer.concat(room.arrived.splice(0, MAX_ARRIVED));
}

const NONE = Buffer.alloc(0);
/** How long the nonce of a call that was sent twice is kept after its reply: the first sending may still arrive. */
const LATE_SENDING_MS = 30_000;

/** Notes that the reply of a call arrived. */
export function noteArrived(room: OpenRoom, nonce: Buffer, wasRepeated: boolean): void {
  if (!wasRepeated) {
    room.arrived.push(nonce);
    return;
  }
  setTimeout(() => room.arrived.push(nonce), LATE_SENDING_MS).unref();
}
