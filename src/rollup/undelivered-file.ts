// The file of reports that could not be sent before a stop: one JSON object a line.
import { open, readFile, unlink } from "node:fs/promises";
import { MillraceError } from "../core/errors.ts";
import type { WindowSpan } from "./window-timer.ts";

/** A report with what a reader of the file wants to know of its window. */
export interface FiledReport extends WindowSpan {
  readonly sequence: number;
  /** The report's JSON text, in pieces. */
  pieces(): Iterable<Buffer>;
}

/** Appends reports and sees to it that they are on disk. */
export async function appendReports(path: string, reports: Iterable<FiledReport>): Promise<void> {
  const file = await open(path, "a");
  try {
    for (const report of reports) {
      const { sequence, startedAtMs, endedAtMs, durationMs } = report;
      const head = JSON.stringify({ sequence, startedAtMs, endedAtMs, durationMs });
      await file.appendFile(`${head.slice(0, -1)},"report":`);
      for (const piece of report.pieces()) await file.appendFile(piece);
      await file.appendFile("}\n");
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Takes all reports out of the file, which is then gone: a report must not be sent twice, so a program
 * that is killed after this has taken them with it. No file means no reports.
 *
 * @throws MillraceError `INVALID_CONFIG` when the file is something else; it stays as it is
 */
export async function takeReports(path: string): Promise<readonly FiledReport[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const reports = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, at) => readLine(path, line, at + 1));
  await unlink(path);
  return reports;
}

function readLine(path: string, line: string, number: number): FiledReport {
  try {
    const { report, sequence, startedAtMs, endedAtMs, durationMs } = JSON.parse(
      line,
    ) as WindowSpan & {
      readonly sequence: number;
      readonly report: unknown;
    };
    if (!Array.isArray(report)) throw new TypeError("no report in it");
    const body = Buffer.from(JSON.stringify(report));
    return { sequence, startedAtMs, endedAtMs, durationMs, pieces: () => [body] };
  } catch (cause) {
    throw new MillraceError("INVALID_CONFIG", {
      message: `line ${number} of ${path} is not a report that was kept; name another file for undelivered reports, or mend this one`,
      cause,
    });
  }
}
