// Reads the two ids of a message from its bytes when it has the usual form, without building any object.
import { NO_ID, UUID_BYTES, type UuidTable } from "./uuid-table.ts";

/** The usual form, cut at its variable parts: two ids, two plain texts and a three-digit number. */
const HEAD = '{"source":"';
const MIDDLE = '","destination":"';
const METHOD = '","method":"';
const PATH = '","path":"';
const STATUS = '","httpStatus":';

const SOURCE_AT = HEAD.length;
const MIDDLE_AT = SOURCE_AT + UUID_BYTES;
const DESTINATION_AT = MIDDLE_AT + MIDDLE.length;
const METHOD_AT = DESTINATION_AT + UUID_BYTES;
const METHOD_TEXT_AT = METHOD_AT + METHOD.length;

/** `","httpStatus":`, three digits and `}`. */
const TAIL_BYTES = STATUS.length + 4;
const SHORTEST = METHOD_TEXT_AT + PATH.length + TAIL_BYTES;

const QUOTE = 0x22;
const CLOSING_BRACE = 0x7d;

/** 1 for the bytes that stand for themselves inside a JSON text: ASCII without quote, backslash, controls. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== 0x5c ? 1 : 0,
);

/** A literal as little-endian words; the last one overlaps its neighbour to end where the literal ends. */
interface Literal {
  readonly words: Int32Array;
  readonly lastAt: number;
  readonly lastWord: number;
}

function literal(text: string): Literal {
  const bytes = Buffer.from(text, "latin1");
  const lastAt = bytes.length - 4;
  const words = Int32Array.from({ length: Math.floor(bytes.length / 4) }, (_, word) =>
    bytes.readInt32LE(word * 4),
  );
  return { words, lastAt, lastWord: bytes.readInt32LE(lastAt) };
}

const HEAD_WORDS = literal(HEAD);
const MIDDLE_WORDS = literal(MIDDLE);
const METHOD_WORDS = literal(METHOD);
const PATH_WORDS = literal(PATH);
const STATUS_WORDS = literal(STATUS);

function stands(expected: Literal, view: DataView, at: number): boolean {
  const words = expected.words;
  if (view.getInt32(at + expected.lastAt, true) !== expected.lastWord) return false;
  for (let word = 0; word < words.length; word += 1) {
    if (view.getInt32(at + word * 4, true) !== words[word]!) return false;
  }
  return true;
}

/**
 * Looks at one message at a time. `read` answers true when the bytes are a message in the usual form
 * between two ids of the table; the fields then hold their integers. False says nothing about the
 * message: it may be unusual, malformed or unknown, and `parseFullMessage` decides.
 *
 * True promises what a full parse would find: every byte outside the ids is compared or checked, so a
 * second `source`, an escape or a cut text cannot hide; all of it is ASCII, so it is UTF-8; and ids that
 * the table holds are well-formed. A property test holds the two readers against each other.
 */
export class UsualMessage {
  source: number = NO_ID;
  destination: number = NO_ID;
  /** Messages of one chunk share its memory, so a view is made once a chunk and not once a message. */
  #view: DataView = new DataView(new ArrayBuffer(0));

  read(bytes: Buffer, ids: UuidTable): boolean {
    const length = bytes.length;
    if (length < SHORTEST) return false;
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    const view = this.#view;
    const start = bytes.byteOffset;
    const end = start + length;

    if (!stands(HEAD_WORDS, view, start)) return false;
    if (!stands(MIDDLE_WORDS, view, start + MIDDLE_AT)) return false;
    if (!stands(METHOD_WORDS, view, start + METHOD_AT)) return false;
    if (!endsWithStatus(view, end)) return false;
    const methodEnd = plainUntilQuote(view, start + METHOD_TEXT_AT, end - TAIL_BYTES - PATH.length);
    if (methodEnd < 0 || !stands(PATH_WORDS, view, methodEnd)) return false;
    const pathEnd = end - TAIL_BYTES;
    if (plainUntilQuote(view, methodEnd + PATH.length, pathEnd) !== pathEnd) return false;

    this.source = ids.find(view, start + SOURCE_AT);
    if (this.source === NO_ID) return false;
    this.destination = ids.find(view, start + DESTINATION_AT);
    return this.destination !== NO_ID;
  }
}

/** Where the first byte from `at` to `last` that is not plain stands, when it is a quote; -1 otherwise. */
function plainUntilQuote(view: DataView, at: number, last: number): number {
  for (let index = at; index <= last; index += 1) {
    const byte = view.getUint8(index);
    if (PLAIN[byte] === 0) return byte === QUOTE ? index : -1;
  }
  return -1;
}

/** Whether the bytes before `end` are `","httpStatus":`, a three-digit number that JSON allows, and `}`. */
function endsWithStatus(view: DataView, end: number): boolean {
  if (view.getUint8(end - 1) !== CLOSING_BRACE) return false;
  if (!stands(STATUS_WORDS, view, end - TAIL_BYTES)) return false;
  const hundreds = view.getUint8(end - 4) - 0x30;
  const tens = view.getUint8(end - 3) - 0x30;
  const ones = view.getUint8(end - 2) - 0x30;
  return hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
}
