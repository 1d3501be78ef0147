// The WebSocket aggregator: counts messages between children by their parents and reports every interval.
import { type AssociationEffect, AssociationTable } from "./association-table.ts";
import {
  type AggregatorNotice,
  type AggregatorOptions,
  type AggregatorSettings,
  type AggregatorStats,
  noMalformed,
  readAggregatorOptions,
  type ReportFate,
} from "./aggregator-options.ts";
import { parseFullMessage } from "./full-message.ts";
import { HeldEvents, type UnattributedReason } from "./held-events.ts";
import { MessageConnection } from "./message-connection.ts";
import { Outbox } from "./outbox.ts";
import { type EndedPairCounts, PairCounts } from "./pair-counts.ts";
import { encodeReport, type ReportRow, reportRows } from "./report.ts";
import { appendReports, type FiledReport, takeReports } from "./undelivered-file.ts";
import { UsualMessage } from "./usual-message.ts";
import { NO_ID } from "./uuid-table.ts";
import { type WindowSpan, WindowTimer } from "./window-timer.ts";

/** A report on its way, of this run or taken from the file of an earlier one. */
interface Report extends FiledReport {
  readonly earlier: boolean;
}

/** A message with a side whose parent is not known yet; a side that was known when it came stays so. */
interface WaitingMessage {
  source: number;
  destination: number;
  readonly sourceChild: string;
  readonly destinationChild: string;
}

type Unattributed = Record<UnattributedReason, number>;

/**
 * Connects to a server of messages, counts them by the parents of their ids and sends the counts of every
 * window back over the same connection.
 *
 * A report is sent once: one that could not go out is kept and sent after the next connection is made,
 * one whose delivery stayed unknown is told and not repeated, and no window is merged into another.
 * Associations and counts outlive connections.
 *
 * @throws MillraceError `INVALID_ARGUMENT` or `INVALID_DURATION` from the constructor
 * @example
 * const aggregator = new Aggregator({ url: "ws://localhost:5050/ws", every: "60s" });
 * await aggregator.start();
 * // ... until the program ends:
 * await aggregator.stop();
 */
export class Aggregator {
  readonly #settings: AggregatorSettings;
  readonly #table: AssociationTable;
  readonly #usual = new UsualMessage();
  readonly #held: HeldEvents<WaitingMessage>;
  readonly #connection: MessageConnection;
  readonly #timer: WindowTimer;
  readonly #outbox: Outbox<Report>;
  readonly #malformed = noMalformed();
  readonly #unattributed: Unattributed = noUnattributed();
  readonly #reports = { delivered: 0, unconfirmed: 0, filed: 0, dropped: 0 };
  #open: PairCounts;
  #unattributedInWindow: Unattributed = noUnattributed();
  /** Frames received over the current connection. */
  #received = 0;
  #counted = 0;
  #overflow = 0;
  #sequence = 0;
  #refusedAssociations = 0;
  #gaps = 0;
  #gapMs = 0;
  #lostMs: number | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: AggregatorOptions = {}) {
    const settings = readAggregatorOptions(options);
    const { clock, notify } = settings;
    this.#settings = settings;
    this.#table = new AssociationTable({ maxIds: settings.maxIds });
    this.#open = new PairCounts({ maxPairs: settings.maxPairs });
    this.#held = new HeldEvents({
      maxEvents: settings.maxMessages,
      maxWaitMs: settings.maxWaitMs,
      onUnattributed: (count, reason) => {
        this.#unattributed[reason] += count;
        this.#unattributedInWindow[reason] += count;
      },
    });
    this.#connection = new MessageConnection({
      ...settings,
      onMessage: (bytes, isBinary) => this.#receive(bytes, isBinary),
      onOpen: (connection) => this.#connected(connection),
      onLost: (loss) => {
        const wasOpen = loss.connection > 0;
        if (wasOpen) this.#lostMs = clock.monotonicMs();
        notify({ kind: "disconnected", received: wasOpen ? this.#received : 0, ...loss });
      },
      onOversize: () => {
        this.#malformed.oversize += 1;
      },
    });
    this.#timer = new WindowTimer({
      rhythm: settings,
      clock,
      onBoundary: (span) => this.#end(span),
    });
    this.#outbox = new Outbox<Report>({
      deliver: (report, signal) => this.#deliver(report, signal),
      retryDelayMs: (attempt) =>
        settings.retry.delayMs({ attempt, error: undefined }, settings.random()),
      maxItems: settings.maxKept,
      clock,
      onKept: (report, attempt, error) => {
        if (attempt === 1) this.#tell(report, "kept", error);
      },
      onDropped: (report) => this.#tell(report, "dropped"),
    });
  }

  /** Associations known to the aggregator can be set from elsewhere too; ids are UUIDs. */
  associate(parent: string, child: string): AssociationEffect {
    const effect = this.#table.associate(parent, child);
    if (effect === "refused") this.#refusedAssociations += 1;
    if (effect === "new") this.#release(child.toLowerCase());
    return effect;
  }

  /**
   * Takes reports that an earlier run left in the file, opens the first window and connects. Resolves at
   * once; the connection is made, and made again, in the background. Safe to call twice.
   *
   * @throws MillraceError `INVALID_CONFIG` when the file of undelivered reports is something else
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Ends the open window, sends what is there, and closes. What cannot be sent within `drain` is written
   * to the file of undelivered reports, or told as dropped. Safe to call twice or at once.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The figures of this moment. */
  stats(): AggregatorStats {
    const { expired, refused, stopped } = this.#unattributed;
    const nowMs = this.#settings.clock.monotonicMs();
    return {
      state: this.#stopping ? "stopped" : this.#connection.isOpen ? "open" : "connecting",
      connections: this.#connection.connections,
      gaps: this.#gaps,
      gapMs: this.#gapMs + (this.#lostMs === undefined ? 0 : nowMs - this.#lostMs),
      messages: this.#counted + this.#held.size + expired + refused + stopped,
      counted: this.#counted,
      held: this.#held.size,
      unattributed: { ...this.#unattributed },
      overflow: this.#overflow + this.#open.overflow,
      malformed: { ...this.#malformed },
      children: this.#table.children,
      ids: this.#table.ids.size,
      refusedAssociations: this.#refusedAssociations,
      windows: this.#sequence,
      reports: { ...this.#reports },
      kept: this.#outbox.size,
      pairs: this.#open.size,
      remainingMs: this.#timer.remainingMs ?? 0,
    };
  }

  /** The most frequent pairs of the open window, most frequent first. Looks at every pair once. */
  topPairs(limit = 10): readonly ReportRow[] {
    const { ids } = this.#table;
    return this.#open.top(limit).map(({ source, destination, count }) => ({
      source: ids.text(source),
      destination: ids.text(destination),
      count,
    }));
  }

  async #start(): Promise<void> {
    const { undeliveredFile } = this.#settings;
    const earlier = undeliveredFile === undefined ? [] : await takeReports(undeliveredFile);
    for (const report of earlier) this.#outbox.push({ ...report, earlier: true });
    if (this.#stopping !== undefined) return;
    this.#timer.start();
    this.#connection.start();
  }

  async #stop(): Promise<void> {
    await this.#starting;
    this.#held.clear();
    const span = this.#timer.stop();
    const nothingOpen = this.#open.size === 0 && this.#open.overflow === 0;
    if (span !== undefined && !nothingOpen) this.#end(span);
    const left = await this.#outbox.stop(this.#settings.drainMs);
    await this.#connection.stop();
    const { undeliveredFile } = this.#settings;
    if (undeliveredFile !== undefined && left.length > 0) {
      await appendReports(undeliveredFile, left);
    }
    const fate = undeliveredFile === undefined ? "dropped" : "filed";
    for (const report of left) this.#tell(report, fate);
  }

  #connected(connection: number): void {
    const nowMs = this.#settings.clock.monotonicMs();
    const gapMs = this.#lostMs === undefined ? 0 : nowMs - this.#lostMs;
    if (this.#lostMs !== undefined) this.#gaps += 1;
    this.#gapMs += gapMs;
    this.#lostMs = undefined;
    this.#received = 0;
    this.#settings.notify({ kind: "connected", connection, gapMs });
    this.#outbox.wake();
  }

  #receive(bytes: Buffer, isBinary: boolean): void {
    // The last window has been cut; what comes until the connection is closed belongs to nobody.
    if (this.#stopping !== undefined) return;
    this.#received += 1;
    if (!isBinary && this.#usual.read(bytes, this.#table.ids)) {
      const source = this.#table.parentOf(this.#usual.source);
      const destination = this.#table.parentOf(this.#usual.destination);
      if (source !== NO_ID && destination !== NO_ID) {
        this.#count(source, destination);
        return;
      }
    }
    this.#receiveUnusual(bytes, isBinary);
  }

  #receiveUnusual(bytes: Buffer, isBinary: boolean): void {
    if (isBinary) {
      this.#malformed.binary += 1;
      return;
    }
    const message = parseFullMessage(bytes);
    if (message.kind === "message") {
      this.#attribute(message.source, message.destination);
    } else if (message.kind === "malformed") {
      this.#malformed[message.reason] += 1;
    } else {
      this.#malformed.shape += message.skipped.shape;
      this.#malformed.id += message.skipped.id;
      for (const { parent, child } of message.associations) this.associate(parent, child);
    }
  }

  #count(source: number, destination: number): void {
    this.#counted += 1;
    this.#open.add(source, destination);
  }

  #attribute(sourceChild: string, destinationChild: string): void {
    const source = this.#table.parentOfText(sourceChild);
    const destination = this.#table.parentOfText(destinationChild);
    if (source !== NO_ID && destination !== NO_ID) {
      this.#count(source, destination);
      return;
    }
    const missing = new Set<string>();
    if (source === NO_ID) missing.add(sourceChild);
    if (destination === NO_ID) missing.add(destinationChild);
    const waiting = { source, destination, sourceChild, destinationChild };
    this.#held.hold(waiting, missing, this.#settings.clock.monotonicMs());
  }

  #release(child: string): void {
    const parent = this.#table.parentOfText(child);
    const nowMs = this.#settings.clock.monotonicMs();
    const complete = this.#held.release(child, nowMs, (waiting) => {
      if (waiting.sourceChild === child) waiting.source = parent;
      if (waiting.destinationChild === child) waiting.destination = parent;
    });
    for (const { source, destination } of complete) this.#count(source, destination);
  }

  #end(span: WindowSpan): void {
    const { clock, maxPairs, notify, sendEmpty, overflowId } = this.#settings;
    this.#held.expire(clock.monotonicMs());
    const ended = this.#open.end();
    const unattributed = this.#unattributedInWindow;
    // A stream's windows are of a kind: room for the pairs of the last one saves growing step by step.
    this.#open = new PairCounts({ maxPairs, expectedPairs: ended.counts.length });
    this.#unattributedInWindow = noUnattributed();
    this.#overflow += ended.overflow;
    this.#sequence += 1;
    const sequence = this.#sequence;
    notify({ kind: "window", window: this.#toWindow(ended, { ...span, sequence, unattributed }) });
    if (ended.messages === 0 && !sendEmpty) return;
    const pieces = (): Iterable<Buffer> => encodeReport(ended, this.#table.ids, overflowId);
    this.#outbox.push({ ...span, sequence, earlier: false, pieces });
  }

  #toWindow(
    ended: EndedPairCounts,
    window: WindowSpan & { readonly sequence: number; readonly unattributed: Unattributed },
  ): Extract<AggregatorNotice, { kind: "window" }>["window"] {
    return {
      ...window,
      messages: ended.messages,
      pairs: ended.counts.length,
      overflow: ended.overflow,
      rows: () => reportRows(ended, this.#table.ids),
    };
  }

  async #deliver(report: Report, signal: AbortSignal): Promise<void> {
    const outcome = await this.#connection.send(report.pieces(), signal);
    this.#tell(report, outcome === "confirmed" ? "delivered" : "unconfirmed");
  }

  #tell(report: Report, fate: ReportFate, error?: unknown): void {
    if (fate !== "kept") this.#reports[fate] += 1;
    const { sequence, earlier } = report;
    const cause = error === undefined ? {} : { error };
    this.#settings.notify({ kind: "report", fate, sequence, earlier, ...cause });
  }
}

function noUnattributed(): Unattributed {
  return { expired: 0, refused: 0, stopped: 0 };
}
