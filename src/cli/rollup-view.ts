// What a person sees of a running aggregator: figures that renew themselves on a terminal, lines elsewhere.
import type { WriteStream } from "node:tty";
import type { Aggregator, AggregatorNotice, AggregatorStats, ReportRow } from "../rollup/index.ts";
import { LiveBlock } from "./live-block.ts";

const REFRESH_MS = 500;
const TOP_PAIRS = 5;

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
  readonly #block: LiveBlock;
  #timer: NodeJS.Timeout | undefined;
  #aggregator: Aggregator | undefined;
  #messages = 0;
  #atMs = 0;

  constructor(out: WriteStream | NodeJS.WritableStream) {
    this.#block = new LiveBlock(out);
  }

  start(aggregator: Aggregator): void {
    if (this.#timer !== undefined || !this.#block.isTerminal) return;
    this.#aggregator = aggregator;
    this.#atMs = performance.now();
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#block.end(true);
  }

  /** Prints a line above the figures. */
  tell(line: string): void {
    this.#block.tell(line);
  }

  #refresh(): void {
    const aggregator = this.#aggregator!;
    const nowMs = performance.now();
    const stats = aggregator.stats();
    const rate = ((stats.messages - this.#messages) / (nowMs - this.#atMs)) * 1_000;
    this.#messages = stats.messages;
    this.#atMs = nowMs;
    this.#block.draw(viewLines(stats, rate, aggregator.topPairs(TOP_PAIRS)));
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
