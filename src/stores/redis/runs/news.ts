// What the workflow runs of this process's workers are told by others: messages, and a look after those that were lost.
import type { RunNews } from "../../../core/run.ts";
import type { WorkerListener } from "../../../core/store.ts";
import type { Context } from "../context.ts";
import type { OpenRoom } from "../rooms.ts";
import { READ_UNHEARD } from "../scripts/run-records.ts";
import { Arguments, readId } from "../link/wire.ts";

/** How often an owner of runs looks for what it was not told: messages can be lost. */
const LOOK_MS = 5_000;
/** Facts in one look; the rest come with the next. */
const MAX_FACTS = 1_000;

/** An owner of runs, as its news need it. */
export interface Owner {
  readonly worker: string;
  readonly listener: WorkerListener;
}

/** The news of one worker. */
export interface OwnNews {
  /** It says something of a run in this room: from now on it looks there. */
  owns(room: OpenRoom): void;
  /** A message came: the room, and what its runs were told. */
  hear(room: OpenRoom, message: Buffer): void;
  /** Looks now: messages may be missing. */
  look(): void;
  end(): void;
}

/** Follows the news of one worker. */
export function followNews(context: Context, owner: Owner): OwnNews {
  const rooms = new Set<OpenRoom>();
  let timer: NodeJS.Timeout | null = null;
  const tell = (room: OpenRoom, facts: readonly Told[]): void => {
    if (facts.length === 0) return;
    owner.listener.news?.(facts.map(({ news }) => news));
    for (const { row } of facts) {
      context.delivered.heard(room, Buffer.concat([rowStart(owner.worker), row]));
    }
  };
  const lookIn = async (room: OpenRoom): Promise<void> => {
    const args = new Arguments().text(owner.worker).number(MAX_FACTS);
    tell(room, readUnheard(await context.link.call(READ_UNHEARD, room.keys, args)));
  };
  const look = (): void => {
    // Whoever can't be asked now is asked the next time.
    for (const room of rooms) lookIn(room).catch(() => {});
  };
  return {
    owns: (room) => {
      rooms.add(room);
      timer ??= setInterval(look, LOOK_MS).unref();
    },
    hear: (room, message) => tell(room, readMessage(message)),
    look,
    end: () => {
      if (timer !== null) clearInterval(timer);
    },
  };
}

interface Told {
  readonly news: RunNews;
  /** Run and key. */
  readonly row: Buffer;
}

function rowStart(worker: string): Buffer {
  return Buffer.concat([Buffer.from([255]), Buffer.from(worker), Buffer.from([0])]);
}

const SIGNAL = "s".charCodeAt(0);
/** Run, key, kind, length of the text. */
const ROW_BYTES = 32;
const FACT_HEAD_BYTES = ROW_BYTES + 5;

function readMessage(message: Buffer): readonly Told[] {
  const facts: Told[] = [];
  for (let at = 0; at + FACT_HEAD_BYTES <= message.length;) {
    const length = message.readUInt32BE(at + ROW_BYTES + 1);
    const end = at + FACT_HEAD_BYTES + length;
    const kind = message[at + ROW_BYTES] === SIGNAL ? "signal" : "ended";
    const body = message.toString("utf8", at + FACT_HEAD_BYTES, end);
    const row = message.subarray(at, at + ROW_BYTES);
    facts.push({ row, news: { run: readId(row), fact: { key: readId(row, 16), kind, body } } });
    at = end;
  }
  return facts;
}

function readUnheard(reply: readonly unknown[]): readonly Told[] {
  const facts: Told[] = [];
  for (let at = 0; at + 3 < reply.length; at += 4) {
    const row = Buffer.concat([reply[at] as Buffer, reply[at + 1] as Buffer]);
    const kind = String(reply[at + 2]) === "s" ? "signal" : "ended";
    const body = String(reply[at + 3]);
    // Of a run that was removed since.
    if (body === "") continue;
    facts.push({ row, news: { run: readId(row), fact: { key: readId(row, 16), kind, body } } });
  }
  return facts;
}
