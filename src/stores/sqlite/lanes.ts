// Lanes: what a claim filters by (queue, type, required labels), as small integers, with what is known of their heads.
import type { Connection } from "./thread/connection.ts";
import type { Round } from "./flow/rounds.ts";

/** One lane of the namespace. The hints hold until another process commits; see `forgetHints`. */
export interface Lane {
  readonly no: number;
  readonly queue: string;
  readonly type: string;
  readonly labels: readonly string[];
  /** `false` when a claim found nothing ready, and nothing became ready since. */
  mayBeReady: boolean;
  /** `false` when a claim found nothing held back for suspicion, and nothing became so since. */
  mayBeSuspect: boolean;
  /** Whether jobs of it ever had keys. */
  isKeyed: boolean;
  /** `false` when a claim found no group in its ring, and none came since. */
  mayHaveTurns: boolean;
  /** How far its claims have come among its groups; `undefined`: not known. */
  round: Round | undefined;
  /** Due time of its first scheduled job; `null`: none is scheduled; `undefined`: not known. */
  nextDueAtMs: number | null | undefined;
}

const NO_LANES: readonly Lane[] = [];
const SELECT =
  "SELECT no, queue, type, labels, keyed FROM lanes WHERE namespace = ? AND no > ? ORDER BY no";
const INSERT =
  "INSERT INTO lanes (namespace, queue, type, labels) VALUES (?, ?, ?, ?) RETURNING no";

/** The lanes of one namespace. */
export class Lanes {
  readonly #connection: Connection;
  readonly #namespace: number;
  readonly #byNo = new Map<number, Lane>();
  readonly #byKey = new Map<string, Lane>();
  readonly #byOffer = new Map<string, Lane[]>();
  #keyed: Lane[] = [];
  #highest = 0;

  constructor(connection: Connection, namespace: number) {
    this.#connection = connection;
    this.#namespace = namespace;
    this.#read();
  }

  /** The lane of a job, made when it is the first of its kind. */
  of(queue: string, type: string, labels: readonly string[]): Lane {
    const found = this.#byKey.get(laneKey(queue, type, labels));
    if (found !== undefined) return found;
    const text = JSON.stringify(labels);
    const row = this.#connection.first(INSERT, this.#namespace, queue, type, text);
    return this.#add(Number(row?.[0]), queue, type, labels);
  }

  /** The lane with this number; `undefined` for one of another namespace. */
  byNo(no: number): Lane | undefined {
    return this.#byNo.get(no);
  }

  /** Lanes whose jobs ever had keys. */
  keyed(): readonly Lane[] {
    return this.#keyed;
  }

  /** Jobs of a lane have keys from now on. */
  noteKeyed(lane: Lane): void {
    if (lane.isKeyed) return;
    lane.isKeyed = true;
    this.#keyed.push(lane);
  }

  /** Reads which lanes have jobs with keys: another process may have been the first. */
  readKeyed(): void {
    const keyed = this.#connection.all(
      "SELECT no FROM lanes WHERE namespace = ? AND keyed = 1",
      this.#namespace,
    );
    for (const [no] of keyed) {
      const lane = this.#byNo.get(Number(no));
      if (lane !== undefined) this.noteKeyed(lane);
    }
  }

  ofQueue(queue: string): readonly Lane[] {
    return this.all().filter((lane) => lane.queue === queue);
  }

  /** Every lane of a queue and type. */
  offered(queue: string, type: string): readonly Lane[] {
    return this.#byOffer.get(offerKey(queue, type)) ?? NO_LANES;
  }

  all(): readonly Lane[] {
    return [...this.#byNo.values()];
  }

  /** Another process committed: its lanes are read, and no hint holds. */
  refresh(): void {
    this.#read();
    for (const lane of this.#byNo.values()) {
      lane.mayBeReady = true;
      lane.mayBeSuspect = true;
      lane.mayHaveTurns = true;
      lane.round = undefined;
      lane.nextDueAtMs = undefined;
    }
  }

  /** A transaction was rolled back: lanes that it made are gone, and no hint holds. */
  reload(): void {
    this.#byNo.clear();
    this.#byKey.clear();
    this.#byOffer.clear();
    this.#keyed = [];
    this.#highest = 0;
    this.#read();
  }

  #read(): void {
    const rows = this.#connection.all(SELECT, this.#namespace, this.#highest);
    for (const [no, queue, type, labels, keyed] of rows) {
      const required = JSON.parse(String(labels)) as string[];
      const lane = this.#add(Number(no), String(queue), String(type), required);
      if (keyed === 1) this.noteKeyed(lane);
    }
  }

  #add(no: number, queue: string, type: string, labels: readonly string[]): Lane {
    const lane: Lane = {
      no,
      queue,
      type,
      labels,
      mayBeReady: true,
      mayBeSuspect: true,
      isKeyed: false,
      mayHaveTurns: true,
      round: undefined,
      nextDueAtMs: undefined,
    };
    this.#byNo.set(no, lane);
    this.#byKey.set(laneKey(queue, type, labels), lane);
    const offer = offerKey(queue, type);
    this.#byOffer.set(offer, [...(this.#byOffer.get(offer) ?? []), lane]);
    this.#highest = Math.max(this.#highest, no);
    return lane;
  }
}

/** What a worker offers of a lane, labels aside. Names have no newline. */
function offerKey(queue: string, type: string): string {
  return `${queue}\n${type}`;
}

function laneKey(queue: string, type: string, labels: readonly string[]): string {
  return labels.length === 0 ? `${queue}\n${type}` : `${queue}\n${type}\n${JSON.stringify(labels)}`;
}

/** A scheduled job came to a lane. */
export function noteDue(lane: Lane, dueAtMs: number): void {
  if (lane.nextDueAtMs === undefined) return;
  lane.nextDueAtMs = lane.nextDueAtMs === null ? dueAtMs : Math.min(lane.nextDueAtMs, dueAtMs);
}
