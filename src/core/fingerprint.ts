// Errors told apart: a message and a stack without what differs from one time to the next, and the hash of that.
import type { ErrorRecord } from "./errors.ts";

/** Frames of the stack that count: where it was thrown and who called; further up is the same for many errors. */
const MAX_FRAMES = 5;
/** Longest reduced message. */
const MAX_MESSAGE_LENGTH = 160;

/*
 * What differs between two times of one error, most particular first. What is in quotes is nearly always a value; a word
 * of 8 hex digits or more an id or a hash; a number may be an id, a size, a time or an address.
 */
const VARIABLE: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, "<id>"],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>)]+/gi, "<url>"],
  [/[^\s"'`<>@]+@[^\s"'`<>@]+\.[a-z]{2,}/gi, "<mail>"],
  [/"[^"]*"|`[^`]*`|(?<![a-z])'[^']*'/gi, "<value>"],
  [/(?:\/[\w.@+-]+){2,}/g, "<path>"],
  // Before ids: a fraction of 8 digits is none.
  [/(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?!\.?\d)/gi, "<n>"],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/gi, "<id>"],
  [/\d+(?:[.,:]\d+)*/g, "<n>"],
  [/\s+/g, " "],
];

/** An error's message with placeholders for what differs from one time to the next. One line, bounded. */
export function reduceMessage(message: string): string {
  let reduced = message.slice(0, 4 * MAX_MESSAGE_LENGTH).split("\n", 1)[0] ?? "";
  for (const [pattern, placeholder] of VARIABLE) reduced = reduced.replace(pattern, placeholder);
  return reduced.trim().slice(0, MAX_MESSAGE_LENGTH).toWellFormed();
}

/**
 * Where a stack says that the error came from: function and file of its first frames. Lines and folders are left out,
 * which change with every release and host; so are the runtime's own frames.
 */
function reduceStack(stack: string): readonly string[] {
  const frames: string[] = [];
  for (const line of stack.split("\n")) {
    const match = /^\s*at (?:(?<name>.+?) \()?(?<place>[^()]*)\)?$/.exec(line);
    const place = match?.groups?.["place"] ?? "";
    if (match === null || place.startsWith("node:")) continue;
    const file = place
      .replace(/(?::\d+){1,2}$/, "")
      .replace(/[?#].*$/, "")
      .replace(/^.*[/\\]/, "");
    frames.push(`${match.groups?.["name"] ?? ""}@${file}`);
    if (frames.length === MAX_FRAMES) break;
  }
  return frames;
}

/**
 * 16 hex digits that are the same for every time of what is, as far as one can tell, one error: by its name, code,
 * message and stack, whatever ids, numbers, lines and folders they hold.
 *
 * @example
 * fingerprintOf(job.error) // "9f0c41d2a7be5310"
 */
export function fingerprintOf(error: ErrorRecord): string {
  const text = [
    error.name,
    error.code ?? "",
    reduceMessage(error.message),
    ...reduceStack(error.stack ?? ""),
  ].join("\n");
  return hash32(text, 0x811c9dc5) + hash32(text, 0x9e3779b9);
}

/** FNV-1a from a seed, finished as MurmurHash3 does so that every bit counts; two seeds make 64 bits. */
function hash32(text: string, seed: number): string {
  let hash = seed;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, "0");
}

/** What an error is listed as: its name and reduced message. The same for every error of a fingerprint. */
export function errorTitle(error: ErrorRecord): string {
  return `${error.name}: ${reduceMessage(error.message)}`;
}

const FINGERPRINT = /^[0-9a-f]{16}$/;

/** Whether a text has the form of a fingerprint. */
export function isFingerprint(text: unknown): boolean {
  return typeof text === "string" && FINGERPRINT.test(text);
}
