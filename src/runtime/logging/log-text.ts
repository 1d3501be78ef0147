// Log lines for people: the time of day, the level, the message, then the fields. For a terminal, where JSON is hard to read.
import { styleText } from "node:util";

/** Pino's numbers for levels, with the word that a line shows and its colour. */
const LEVELS: Readonly<Record<number, readonly [string, Parameters<typeof styleText>[0]]>> = {
  10: ["trace", "gray"],
  20: ["debug", "gray"],
  30: ["info", "green"],
  40: ["warn", "yellow"],
  50: ["error", "red"],
  60: ["fatal", "red"],
};

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** Fields that a line begins with rather than lists, or shows below itself. */
type Entry = Readonly<Record<string, unknown>> & {
  readonly time?: number;
  readonly level?: number;
  readonly msg?: string;
};

/**
 * Turns one JSON line of pino into one for people. What a handler logged may hold anything: control characters, which
 * could move the cursor or worse, are shown as their escapes.
 */
export function formatLogLine(json: string): string {
  const { time = 0, level = 30, msg = "", error, ...fields } = JSON.parse(json) as Entry;
  const [word, colour] = LEVELS[level] ?? [String(level), "white"];
  const at = new Date(time).toISOString().slice(11, 23);
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
  const line = [
    paint("dim", at),
    paint(colour, word.padEnd(5)),
    safe(msg),
    ...(rest.length === 0 ? [] : [paint("dim", rest.join(" "))]),
  ].join(" ");
  return `${[line, ...errorLines(error)].join("\n")}\n`;
}

/** A field's value: bare where that is clear, else as JSON, which quotes and escapes. */
function fieldText(value: unknown): string {
  if (typeof value === "string" && /^[\w./:@+~-]+$/.test(value)) return value;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
    return value.map(fieldText).join(",");
  }
  return safe(JSON.stringify(value) ?? "");
}

/** An error below its line: its stack where it has one. */
function errorLines(error: unknown): readonly string[] {
  if (error === undefined || error === null) return [];
  const { name, message, stack } = Object(error) as Readonly<Record<string, unknown>>;
  const text =
    typeof stack === "string"
      ? stack
      : typeof message === "string"
        ? `${typeof name === "string" ? name : "Error"}: ${message}`
        : fieldText(error);
  return text.split("\n").map((each) => `    ${safe(each.trim())}`);
}

function safe(text: string): string {
  return text.replaceAll(
    CONTROL,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function paint(format: Parameters<typeof styleText>[0], text: string): string {
  return styleText(format, text, { stream: process.stdout });
}
