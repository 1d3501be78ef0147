// Writes the counts of an ended window as the JSON list that goes back over the connection.
import type { EndedPairCounts } from "./pair-counts.ts";
import { UUID_BYTES, type UuidTable } from "./uuid-table.ts";

const ROW_HEAD = '{"source":"';
const ROW_MIDDLE = '","destination":"';
const ROW_COUNT = '","count":';
/** The longest count is 2^53, 16 digits; then the brace and a comma or bracket. */
const MAX_ROW_BYTES =
  ROW_HEAD.length + ROW_MIDDLE.length + ROW_COUNT.length + 2 * UUID_BYTES + 16 + 2;

/** A report is written in pieces of this size, so that one of half a million rows does not hold up the loop. */
const CHUNK_BYTES = 64 * 1024;

const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const CLOSING_BRACE = 0x7d;
const COMMA = 0x2c;

/** One row of a report. */
export interface ReportRow {
  readonly source: string;
  readonly destination: string;
  readonly count: number;
}

/**
 * The report as pieces of JSON text: `[{"source":...,"destination":...,"count":...},...]`. Ids are copied
 * from the table byte by byte; no string is made for them. `overflowId` names a last row for what was
 * past the bound on pairs; without it that is left out.
 */
export function* encodeReport(
  ended: EndedPairCounts,
  ids: UuidTable,
  overflowId?: string,
): Generator<Buffer> {
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  let at = 1;
  chunk[0] = OPENING_BRACKET;
  for (let row = 0; row < ended.counts.length; row += 1) {
    if (at + MAX_ROW_BYTES > CHUNK_BYTES) {
      yield chunk.subarray(0, at);
      // The pieces before may still be on their way out, so their memory is not used again.
      chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
      at = 0;
    }
    if (row > 0) chunk[at++] = COMMA;
    at += chunk.write(ROW_HEAD, at, "latin1");
    ids.write(ended.sources[row]!, view, at);
    at += UUID_BYTES;
    at += chunk.write(ROW_MIDDLE, at, "latin1");
    ids.write(ended.destinations[row]!, view, at);
    at += UUID_BYTES;
    at += chunk.write(`${ROW_COUNT}${ended.counts[row]!}`, at, "latin1");
    chunk[at++] = CLOSING_BRACE;
  }
  if (overflowId !== undefined && ended.overflow > 0) {
    yield chunk.subarray(0, at);
    const row = { source: overflowId, destination: overflowId, count: ended.overflow };
    chunk = Buffer.from(`${ended.counts.length > 0 ? "," : ""}${JSON.stringify(row)}]`);
    yield chunk;
    return;
  }
  chunk[at++] = CLOSING_BRACKET;
  yield chunk.subarray(0, at);
}

/** The report's rows as objects, for those who read them in the same process. */
export function* reportRows(ended: EndedPairCounts, ids: UuidTable): Generator<ReportRow> {
  for (let row = 0; row < ended.counts.length; row += 1) {
    yield {
      source: ids.text(ended.sources[row]!),
      destination: ids.text(ended.destinations[row]!),
      count: ended.counts[row]!,
    };
  }
}
