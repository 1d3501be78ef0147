// Millrace's own figures: one row for each window and type; counts are added to what is there.
import {
  FIGURES_KEPT_MS,
  type Figures,
  type FiguresRequest,
  MAX_FIGURES,
  type NewFigures,
  RESOLUTIONS,
  addCounts,
  windowStartMs,
} from "../../core/figures.ts";
import type { Context } from "./context.ts";

const FIND =
  "SELECT counts FROM figures WHERE namespace = ? AND resolution = ? AND start_at = ? AND type = ?";
const PUT = "INSERT OR REPLACE INTO figures VALUES (?, ?, ?, ?, ?)";

/** Adds counts of minutes to their minutes and to their hours. */
export function addFigures(context: Context, figures: readonly NewFigures[]): void {
  const { connection, namespace } = context;
  for (const { startMs, type, counts } of figures) {
    for (const [no, resolution] of RESOLUTIONS.entries()) {
      const startAt = windowStartMs(resolution, startMs);
      const known = connection.first(FIND, namespace, no, startAt, type)?.[0];
      const sum = addCounts(
        known === undefined ? {} : (JSON.parse(String(known)) as Record<string, number>),
        counts,
      );
      connection.run(PUT, namespace, no, startAt, type, JSON.stringify(sum));
    }
  }
}

/** The windows asked for, oldest first. */
export function readFigures(context: Context, request: FiguresRequest): Figures[] {
  const { resolution, fromMs, type } = request;
  const rows = context.connection.all(
    `SELECT start_at, type, counts FROM figures WHERE namespace = ? AND resolution = ? AND start_at >= ?
      AND (? IS NULL OR type = ?) ORDER BY start_at, type LIMIT ?`,
    context.namespace,
    RESOLUTIONS.indexOf(resolution),
    fromMs,
    type ?? null,
    type ?? null,
    MAX_FIGURES,
  );
  return rows.map(([startAt, name, counts]) => ({
    resolution,
    startMs: Number(startAt),
    type: String(name),
    counts: JSON.parse(String(counts)) as Record<string, number>,
  }));
}

/** Forgets windows that were kept long enough, at most `limit`. Gives back how many. */
export function forgetFigures(context: Context, limit: number): number {
  let left = limit;
  for (const [no, resolution] of RESOLUTIONS.entries()) {
    if (left <= 0) break;
    left -= context.connection.run(
      `DELETE FROM figures WHERE (namespace, resolution, start_at, type) IN (SELECT namespace, resolution, start_at, type
        FROM figures WHERE namespace = ? AND resolution = ? AND start_at < ? LIMIT ?)`,
      context.namespace,
      no,
      context.nowMs - FIGURES_KEPT_MS[resolution],
      left,
    );
  }
  return limit - left;
}
