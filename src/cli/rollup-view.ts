// What a person sees of a running aggregator: figures that renew themselves on a terminal, lines elsewhere.
import type { WriteStream } from "node:tty";
import type { Aggregator, AggregatorNotice, AggregatorStats, ReportRow } from "../rollup/index.ts";

const REFRESH_MS = 500;
const TOP_PAIRS = 5;
const CLEAR_TO_END = "\u001b[J";

/** The figures of one moment as lines. `rate` is messages a second since the last moment. */
export function viewLines(
  stats: AggregatorStats,
  rate: number,
  top: readonly ReportRow[],
): readonly string[] {
  const { unattributed, malformed, reports } = stats;
  const given = unattributed.expired + unattributed.refused + unattributed.stopped;
  const skipped = Object.entries(malformed).filter(([, count]) => count > 0);
  const skippedText =
    skipped.map(([kind, count]) => `${whole(count)} ${kind}`).join(", ") || "none";
  return [
    `${stats.state}  ${whole(rate)} messages/s  next report in ${Math.ceil(stats.remainingMs / 1_000)} s`,
    `messages ${whole(stats.messages)}  pairs ${whole(stats.pairs)}  overflow ${whole(stats.overflow)}  held ${whole(stats.held)}  unattributed ${whole(given)}`,
    `reports ${whole(reports.delivered)} delivered, ${whole(stats.kept)} kept, ${whole(reports.unconfirmed)} unconfirmed, ${whole(reports.dropped)} dropped  reconnects ${whole(stats.gaps)} (${(stats.gapMs / 1_000).toFixed(1)} s without)`,
    `malformed ${skippedText}`,
    ...top.map(
      ({ source, destination, count }) =>
        `${whole(count).padStart(12)}  ${source} > ${destination}`,
    ),
  ];
}

/** A notice as one line. */
export function noticeLine(notice: AggregatorNotice): string {
  switch (notice.kind) {
    case "connected":
      return notice.gapMs > 0
        ? `connected again after ${(notice.gapMs / 1_000).toFixed(1)} s`
        : "connected";
    case "disconnected": {
      const why = notice.reason === "" ? `code ${notice.code}` : notice.reason;
      return `not connected (${why}); next try in ${(notice.retryInMs / 1_000).toFixed(1)} s`;
    }
    case "window": {
      const { sequence, messages, pairs, durationMs } = notice.window;
      return `window ${sequence}: ${whole(messages)} messages, ${whole(pairs)} pairs in ${(durationMs / 1_000).toFixed(1)} s`;
    }
    case "report":
      return `report ${notice.sequence}${notice.earlier ? " of an earlier run" : ""}: ${notice.fate}`;
  }
}

/** Keeps a block of figures at the bottom of a terminal; elsewhere it prints lines only. */
export class LiveView {
  readonly #out: WriteStream | NodeJS.WritableStream;
  #timer: NodeJS.Timeout | undefined;
  #aggregator: Aggregator | undefined;
  #shown = 0;
  #messages = 0;
  #atMs = 0;
  #rate = 0;

  constructor(out: WriteStream | NodeJS.WritableStream) {
    this.#out = out;
  }

  start(aggregator: Aggregator): void {
    if (this.#timer !== undefined || !("isTTY" in this.#out) || !this.#out.isTTY) return;
    this.#aggregator = aggregator;
    this.#atMs = performance.now();
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Prints a line above the figures. */
  tell(line: string): void {
    this.#out.write(`${this.#erase()}${this.#cut(line)}\n`);
    this.#draw();
  }

  #refresh(): void {
    const nowMs = performance.now();
    const messages = this.#aggregator!.stats().messages;
    this.#rate = ((messages - this.#messages) / (nowMs - this.#atMs)) * 1_000;
    this.#messages = messages;
    this.#atMs = nowMs;
    this.#out.write(this.#erase());
    this.#draw();
  }

  #draw(): void {
    if (this.#timer === undefined) return;
    const aggregator = this.#aggregator!;
    const lines = viewLines(aggregator.stats(), this.#rate, aggregator.topPairs(TOP_PAIRS));
    this.#out.write(lines.map((line) => `${this.#cut(line)}\n`).join(""));
    this.#shown = lines.length;
  }

  /** Takes the block away: up to its first line and clear from there. */
  #erase(): string {
    const up = this.#shown === 0 ? "" : `\u001b[${this.#shown}A\r${CLEAR_TO_END}`;
    this.#shown = 0;
    return up;
  }

  /** A line that wrapped would take two and spoil the count. */
  #cut(line: string): string {
    return "columns" in this.#out && this.#timer !== undefined
      ? line.slice(0, this.#out.columns)
      : line;
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
