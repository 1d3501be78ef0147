// Turns samples into what is shown: one row a case and subject, as a table with ratios or as JSON lines.
import { median } from "./statistics.ts";
import type { Case, Goal, Suite } from "./suite.ts";

/** The figures of one case and subject, one a round. */
export interface Series {
  readonly case: string;
  readonly subject: string;
  readonly values: readonly number[];
}

/** One line of `--json`. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  readonly subject: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function toRows(suite: Suite, series: readonly Series[]): readonly Row[] {
  const cases = casesOf(suite);
  return series
    .filter(({ values }) => values.length > 0)
    .map(({ case: name, subject, values }) => ({
      bench: suite.name,
      case: name,
      subject,
      unit: cases[name]?.unit ?? "",
      median: rounded(median(values)),
      min: rounded(Math.min(...values)),
      max: rounded(Math.max(...values)),
    }));
}

export function toJsonLines(rows: readonly Row[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** The rows by case, each with its ratio to the reference subject of the same case, then the goals. */
export function toTable(suite: Suite, rows: readonly Row[]): string {
  const cases = casesOf(suite);
  const lines = [["case", "subject", "median", "min", "max", "unit", `x ${suite.reference}`]];
  for (const name of new Set(rows.map((row) => row.case))) {
    const ofCase = rows.filter((row) => row.case === name);
    const reference = ofCase.find((row) => row.subject === suite.reference)?.median;
    const arrow = cases[name]?.better === "lower" ? " (less is better)" : "";
    for (const [index, row] of ofCase.entries()) {
      const ratio = reference === undefined ? "" : showRatio(row.median / reference);
      const figures = [row.median, row.min, row.max].map(show);
      lines.push([index === 0 ? name : "", row.subject, ...figures, row.unit + arrow, ratio]);
    }
  }
  const goals = (suite.goals ?? []).flatMap((goal) => judge(goal, rows) ?? []);
  return [...align(lines), ...(goals.length > 0 ? ["", "goals", ...align(goals)] : [])].join("\n");
}

/** `null` where a figure of the goal was not measured. */
function judge(goal: Goal, rows: readonly Row[]): readonly string[][] | null {
  const find = (name: string, subject: string): Row | undefined =>
    rows.find((row) => row.case === name && row.subject === subject);
  const row = find(goal.case, goal.subject);
  const other = { case: goal.case, subject: goal.subject, ...goal.against };
  const against = goal.against === undefined ? { median: 1 } : find(other.case, other.subject);
  if (row === undefined || against === undefined) return null;
  const reached = row.median / against.median;
  const unit = goal.against === undefined ? ` ${row.unit}` : "x";
  const shown = goal.against === undefined ? `${show(reached)}${unit}` : showRatio(reached);
  const isMet =
    reached >= (goal.atLeast ?? 0) && reached <= (goal.atMost ?? Number.POSITIVE_INFINITY);
  const wanted = [
    goal.atLeast === undefined ? [] : [`at least ${goal.atLeast}${unit}`],
    goal.atMost === undefined ? [] : [`at most ${goal.atMost}${unit}`],
  ].flat();
  const beside = goal.against === undefined ? "" : ` / ${other.subject} ${other.case}`;
  const what = `${goal.subject} ${goal.case}${beside}`;
  return [[what, shown, wanted.join(", "), isMet ? "met" : "MISSED"]];
}

function casesOf(suite: Suite): Readonly<Record<string, Case>> {
  return Object.assign({}, ...suite.measurements.map(({ cases }) => cases)) as Record<string, Case>;
}

/** Columns of text to the left, of figures to the right. */
function align(lines: readonly (readonly string[])[]): readonly string[] {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  return lines.map((line) =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return /^[\d.,]+x?$/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

/** Four significant digits: more would only show noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function show(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en-US") : String(value);
}

function showRatio(ratio: number): string {
  return `${ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2)}x`;
}
