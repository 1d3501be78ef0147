// What the server sent and what a correct client makes of it: the server's own count, kept apart from Millrace.

/** One row of a report. */
export interface Row {
  readonly source: string;
  readonly destination: string;
  readonly count: number;
}

/** A frame as the ledger remembers it. Anything that a client skips is "other". */
type Frame =
  | { readonly kind: "message"; readonly source: string; readonly destination: string }
  | {
      readonly kind: "associations";
      readonly pairs: readonly (readonly [parent: string, child: string])[];
    }
  | { readonly kind: "other" };

/** The frames of one connection. */
interface SentLog {
  readonly frames: Frame[];
  /** How many frames the client says it received, known once the connection was lost. */
  declared: number | undefined;
  ended: boolean;
}

/** What the checks found. */
export interface Verdict {
  readonly reports: number;
  /** Reports that equal the server's own count at some moment of the stream. */
  readonly exact: number;
  /** What is wrong, in words; empty while everything fits. */
  readonly mistakes: readonly string[];
  /** Messages reported, and messages sent that a client can have counted. */
  readonly reported: number;
  readonly sent: number;
  /** Messages whose association the server never gave. */
  readonly waiting: number;
  /** Frames sent over connections that were lost, after the last one the client received. */
  readonly gap: number;
  /** What a client can have counted, by pair: the key is `source > destination`. */
  readonly totals: ReadonlyMap<string, number>;
}

/**
 * Replays what was sent, in order, the way the contract says it is to be counted: a message counts for
 * the parents its children have when it comes, or get first if they have none.
 */
class Replay {
  readonly totals = new Map<string, number>();
  counted = 0;
  readonly #parents = new Map<string, string>();
  readonly #waiting: {
    source: string | undefined;
    destination: string | undefined;
    from: string;
    to: string;
  }[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  apply(frame: Frame): void {
    if (frame.kind === "message") {
      const [source, destination] = [
        this.#parents.get(frame.source),
        this.#parents.get(frame.destination),
      ];
      if (source === undefined || destination === undefined) {
        this.#waiting.push({ source, destination, from: frame.source, to: frame.destination });
      } else this.#count(source, destination);
    } else if (frame.kind === "associations") {
      // One at a time: a child that comes twice in a list belongs to its first parent in between.
      for (const [parent, child] of frame.pairs) {
        const isNew = !this.#parents.has(child);
        this.#parents.set(child, parent);
        if (isNew) this.#fill(parent, child);
      }
    }
  }

  #fill(parent: string, child: string): void {
    const still = this.#waiting.splice(0);
    for (const message of still) {
      if (message.from === child) message.source ??= parent;
      if (message.to === child) message.destination ??= parent;
      if (message.source === undefined || message.destination === undefined)
        this.#waiting.push(message);
      else this.#count(message.source, message.destination);
    }
  }

  #count(source: string, destination: string): void {
    const key = pairKey(source, destination);
    this.totals.set(key, (this.totals.get(key) ?? 0) + 1);
    this.counted += 1;
  }
}

/**
 * Checks reports against what was sent. While no connection is lost, every report must equal the
 * server's own count at one moment of the stream, exactly. When one is lost, the server cannot know how
 * much of it arrived: a client that declares the frames it received (`declare`) is checked exactly still,
 * one that does not is checked against what it can have counted at most.
 */
export class Ledger {
  readonly #logs: SentLog[] = [];
  readonly #replay = new Replay();
  readonly #pending: (readonly Row[])[] = [];
  readonly #reported = new Map<string, number>();
  readonly #mistakes: string[] = [];
  #reportedTotal = 0;
  #reports = 0;
  #exact = 0;
  /** The log and the frame in it that is replayed next. */
  #log = 0;
  #frame = 0;

  get reports(): number {
    return this.#reports;
  }

  /** A client has connected: what is sent from now on is sent over this connection. */
  connect(): void {
    this.end();
    this.#logs.push({ frames: [], declared: undefined, ended: false });
  }

  /** The current connection is over. */
  end(): void {
    const log = this.#logs.at(-1);
    if (log !== undefined) log.ended = true;
  }

  sent(frame: Frame): void {
    this.#logs.at(-1)?.frames.push(frame);
  }

  /** The client says that of connection number `connection` (1 for the first) it received so many frames. */
  declare(connection: number, received: number): void {
    const log = this.#logs[connection - 1];
    if (log === undefined || received > log.frames.length) {
      this.#mistakes.push(
        `the client declares ${received} frames of connection ${connection}, more than were sent`,
      );
    } else log.declared = received;
  }

  /** Takes a report, checks its form at once and its counts as soon as they can be known. */
  report(text: string): void {
    this.#reports += 1;
    const rows = readRows(text);
    if (typeof rows === "string") this.#mistakes.push(`report ${this.#reports}: ${rows}`);
    else this.#pending.push(rows);
    this.#settle();
  }

  /** Checks what is left and says how it stands. Nothing can be sent or reported after this. */
  finish(): Verdict {
    this.end();
    this.#settle();
    for (const rows of this.#pending.splice(0)) this.#addUp(rows);
    const gap = this.#logs.reduce(
      (total, { frames, declared }) => total + frames.length - (declared ?? frames.length),
      0,
    );
    while (this.#next()) this.#replay.apply(this.#take());
    const { totals, counted, waiting } = this.#replay;
    for (const [key, count] of this.#reported) {
      const sent = totals.get(key) ?? 0;
      if (count > sent) this.#mistakes.push(`${key}: ${count} reported, ${sent} sent`);
    }
    return {
      reports: this.#reports,
      exact: this.#exact,
      mistakes: this.#mistakes,
      reported: this.#reportedTotal,
      sent: counted,
      waiting,
      gap,
      totals,
    };
  }

  #settle(): void {
    for (;;) {
      const rows = this.#pending[0];
      if (rows === undefined) return;
      const total = rows.reduce((sum, row) => sum + row.count, this.#reportedTotal);
      while (this.#replay.counted < total && this.#isKnown() && this.#next()) {
        this.#replay.apply(this.#take());
      }
      if (this.#replay.counted < total && !this.#isKnown()) return;
      this.#pending.shift();
      this.#addUp(rows);
      if (this.#replay.counted === total && sameTotals(this.#replay.totals, this.#reported)) {
        this.#exact += 1;
      } else {
        this.#mistakes.push(
          `a report brings the sum to ${total}, which is no count of the stream (${this.#replay.counted} there)`,
        );
      }
    }
  }

  #addUp(rows: readonly Row[]): void {
    for (const { source, destination, count } of rows) {
      const key = pairKey(source, destination);
      this.#reported.set(key, (this.#reported.get(key) ?? 0) + count);
      this.#reportedTotal += count;
    }
  }

  /** Whether it is known how much of the current log the client received. */
  #isKnown(): boolean {
    const log = this.#logs[this.#log];
    return log === undefined || !log.ended || log.declared !== undefined;
  }

  /** Whether there is a frame to replay, going on to the next log where one is through. */
  #next(): boolean {
    for (;;) {
      const log = this.#logs[this.#log];
      if (log === undefined) return false;
      if (this.#frame < (log.declared ?? log.frames.length)) return true;
      if (!log.ended || this.#log === this.#logs.length - 1) return false;
      this.#log += 1;
      this.#frame = 0;
    }
  }

  #take(): Frame {
    const frame = this.#logs[this.#log]!.frames[this.#frame]!;
    this.#frame += 1;
    return frame;
  }
}

/** The key of a pair in {@link Verdict.totals}. */
export function pairKey(source: string, destination: string): string {
  return `${source} > ${destination}`;
}

function sameTotals(
  left: ReadonlyMap<string, number>,
  right: ReadonlyMap<string, number>,
): boolean {
  return left.size === right.size && [...left].every(([key, count]) => right.get(key) === count);
}

/** The rows of a report, or what is wrong with its form. */
function readRows(text: string): readonly Row[] | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  if (!Array.isArray(value)) return "is not a list";
  const seen = new Set<string>();
  for (const row of value as unknown[]) {
    const fields = Object.keys(row ?? {}).join();
    if (fields !== "source,destination,count") return `has a row with the fields ${fields}`;
    const { source, destination, count } = row as Row;
    if (!Number.isSafeInteger(count) || count < 1) return `has a count of ${count}`;
    if (seen.has(pairKey(source, destination))) return "has two rows for one pair";
    seen.add(pairKey(source, destination));
  }
  return value as readonly Row[];
}
