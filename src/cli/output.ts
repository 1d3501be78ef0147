// What commands print: tables, times and states for people; JSON for programs.
import { styleText } from "node:util";
import { type JobState, formatDuration } from "../core/index.ts";

/** Prints one JSON document. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Prints one JSON document on one line, for streams of them. */
export function printJsonLine(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Prints lines. */
export function print(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** Text of a job made safe for a terminal: control characters could move the cursor or worse. */
export function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

/** Text of several lines made safe for a terminal: its line breaks stay. */
export function cleanLines(text: string): string {
  return text.split("\n").map(clean).join("\n");
}

/** Any value on one line, at most so long. */
export function brief(value: unknown, maxLength: number): string {
  if (value === null || value === undefined) return "";
  const text = clean(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

/** Colours where the terminal has them and nobody asked otherwise (NO_COLOR). */
export function paint(format: Parameters<typeof styleText>[0], text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

const STATE_COLOURS: Readonly<Record<JobState, Parameters<typeof styleText>[0]>> = {
  scheduled: "cyan",
  ready: "blue",
  running: "yellow",
  waiting: "magenta",
  succeeded: "green",
  failed: "red",
  cancelled: "gray",
};

/** A state in its colour. */
export function paintState(state: JobState): string {
  return paint(STATE_COLOURS[state], state);
}

// oxlint-disable-next-line no-control-regex -- the escape sequences of colours have no width
const COLOURS = /(\u001b\[[0-9;]*m)/g;

/** Columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  return text.replaceAll(COLOURS, "").length;
}

/** Cuts a line at the screen's edge. The escape sequences of colours are passed on whole. */
export function cutTo(line: string, columns: number): string {
  let width = 0;
  let text = "";
  for (const part of line.split(COLOURS)) {
    if (part.startsWith("\u001b")) {
      text += part;
      continue;
    }
    text += part.slice(0, Math.max(0, columns - width));
    width += part.length;
  }
  return text;
}

/** Lines of a table: the head, then the rows, columns aligned. Columns of numbers stand right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): readonly string[] {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => widthOf(String(row[column] ?? "")))),
  );
  const isNumeric = head.map(
    (_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const padding = " ".repeat((widths[column] ?? 0) - widthOf(cell));
        return isNumeric[column] === true ? padding + cell : cell + padding;
      })
      .join("  ")
      .trimEnd();
  return [
    line(head.map((title) => paint("bold", title))),
    ...rows.map((row) => line(row.map(String))),
  ];
}

/** How long ago, or in how long: `2m ago`, `in 5s`. */
export function relativeTime(iso: string | null, nowMs: number): string {
  if (iso === null) return "";
  const differenceMs = nowMs - Date.parse(iso);
  if (Math.abs(differenceMs) < 1_000) return "now";
  return differenceMs > 0
    ? `${formatDuration(differenceMs)} ago`
    : `in ${formatDuration(-differenceMs)}`;
}
