// Command templates: text to argument vector without any shell, placeholders filled in afterwards.
import { checkList, checkTexts } from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";

/** A command as text (`"./worker -port {port}"`) or already cut into words. */
export type Command = string | readonly string[];

/** A parsed command: words whose placeholders are still to be filled. */
export interface CommandTemplate {
  readonly words: readonly string[];
}

/** Values of placeholders by name. */
export type PlaceholderValues = Readonly<Record<string, string | number>>;

/** Longer than any sensible command; the system's own bound on one argument is 128 KiB on Linux. */
const MAX_COMMAND_LENGTH = 32_768;

// `{{name}}` stands for the text `{name}` itself.
const PLACEHOLDER = /\{\{(\w+)\}\}|\{(\w+)\}/g;

/**
 * Cuts a command into words. Blanks part words; single and double quotes group; a backslash takes
 * the next character as it is (not within single quotes). Nothing else has a meaning: `$`, `;`, `|`,
 * `*`, `~` and backticks are text, because no shell ever sees them.
 *
 * @throws MillraceError `INVALID_ARGUMENT` for an empty command, an open quote, a NUL byte or an unknown placeholder
 * @example parseCommand("./worker -workerId {id} -port {port}", ["id", "port"])
 */
export function parseCommand(command: Command, placeholders: readonly string[]): CommandTemplate {
  const words =
    typeof command === "string"
      ? splitWords(command)
      : [...checkList(command, "command", "words, or one text")];
  for (const word of words) checkTexts({ "a word of the command": word });
  if (words.length === 0 || words[0] === "") throw refused(command, "names no program");
  for (const word of words) {
    if (word.includes("\0")) throw refused(command, "holds a NUL byte");
    checkPlaceholders(word, placeholders);
  }
  return { words };
}

/** The argument vector for one start; each placeholder stays inside its word, whatever its value holds. */
export function fillCommand(template: CommandTemplate, values: PlaceholderValues): string[] {
  return template.words.map((word) => fillPlaceholders(word, values));
}

/** Fills `{name}` in a text; `{{name}}` becomes `{name}`, a name without a value stays. */
export function fillPlaceholders(text: string, values: PlaceholderValues): string {
  return text.replaceAll(PLACEHOLDER, (whole, escaped?: string, name?: string) => {
    if (escaped !== undefined) return `{${escaped}}`;
    return name !== undefined && Object.hasOwn(values, name) ? String(values[name]) : whole;
  });
}

/**
 * Checks that a text uses only known placeholders.
 *
 * @throws MillraceError `INVALID_ARGUMENT`
 */
export function checkPlaceholders(text: string, known: readonly string[]): void {
  for (const [whole, , name] of text.matchAll(PLACEHOLDER)) {
    if (name === undefined || known.includes(name)) continue;
    const list = known.map((each) => `{${each}}`).join(", ");
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `"${text}" has the unknown placeholder ${whole}; expected ${list}, or {${whole}} for the text itself`,
    });
  }
}

function splitWords(text: string): string[] {
  if (text.length > MAX_COMMAND_LENGTH) {
    throw refused(text.slice(0, 40), `is longer than ${MAX_COMMAND_LENGTH} characters`);
  }
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === "\\" && quote !== "'") {
      if (++i >= text.length) throw refused(text, "ends in a backslash");
      word = (word ?? "") + text.charAt(i);
    } else if (quote !== "") {
      if (character === quote) quote = "";
      else word = (word ?? "") + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== "") throw refused(text, `has an open ${quote}`);
  if (word !== undefined) words.push(word);
  return words;
}

function refused(command: Command, problem: string): MillraceError {
  const shown = typeof command === "string" ? command : command.join(" ");
  return new MillraceError("INVALID_ARGUMENT", {
    message: `the command "${shown}" ${problem}; expected a program and its arguments, such as "./worker -port {port}"`,
  });
}
