// Gathers what running jobs report (progress, log lines) and writes it in batches.
import type { JobId } from "../../core/ids.ts";
import type { JsonText, LogLevel } from "../../core/job.ts";
import { MAX_LOG_LINES, MAX_LOG_LINE_LENGTH } from "../../core/limits.ts";
import type { JobReport, NewLogLine, Store } from "../../core/store.ts";

/** Time that reports are gathered before they are written: an eye sees ten changes a second as smooth. */
const FLUSH_INTERVAL_MS = 100;

interface Pending {
  readonly token: string;
  progress?: JsonText;
  logs: NewLogLine[];
}

/** What a job had not yet told when it ended: it goes with the settlement. */
export interface LastWords {
  readonly progress?: JsonText;
  readonly logs?: readonly NewLogLine[];
}

export interface ReporterOptions {
  readonly store: Pick<Store, "report">;
  readonly now: () => number;
  /** Whether the store knows the job: what is told of others waits. */
  readonly mayTell?: (id: JobId) => boolean;
  /** The store said that this claim was superseded. */
  readonly onStale: (id: JobId, token: string) => void;
}

/** Gathers reports for a short time; the latest progress of a job wins. */
export class Reporter {
  readonly #options: ReporterOptions;
  #pending = new Map<JobId, Pending>();
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  progress(id: JobId, token: string, progress: JsonText): void {
    this.#entryOf(id, token).progress = progress;
  }

  log(id: JobId, token: string, level: LogLevel, message: string): void {
    const { logs } = this.#entryOf(id, token);
    // The store counts the lines of the whole job; this bound keeps one interval's memory small.
    if (logs.length >= MAX_LOG_LINES) return;
    logs.push({ level, message: cut(message), atMs: this.#options.now() });
  }

  /** Takes what a job had not yet told. */
  take(id: JobId, token: string): LastWords {
    const entry = this.#pending.get(id);
    if (entry === undefined || entry.token !== token) return {};
    this.#pending.delete(id);
    return wordsOf(entry);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending.clear();
  }

  #entryOf(id: JobId, token: string): Pending {
    let entry = this.#pending.get(id);
    if (entry === undefined || entry.token !== token) {
      entry = { token, logs: [] };
      this.#pending.set(id, entry);
    }
    this.#schedule();
    return entry;
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => void this.#flush(), FLUSH_INTERVAL_MS);
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    if (this.#isWriting || this.#pending.size === 0) return;
    const batch = this.#takeKnown();
    if (batch.size === 0) return this.#schedule();
    this.#isWriting = true;
    const reports: JobReport[] = [...batch].map(([id, entry]) => ({
      id,
      token: entry.token,
      ...wordsOf(entry),
    }));
    try {
      const accepted = await this.#options.store.report({ reports });
      for (const [index, { id, token }] of reports.entries()) {
        if (accepted[index] === false) this.#options.onStale(id, token);
      }
    } catch {
      // The store logged it. Reports are told, not promised; the settlement brings the last words.
    } finally {
      this.#isWriting = false;
      if (this.#pending.size > 0) this.#schedule();
    }
  }

  #takeKnown(): ReadonlyMap<JobId, Pending> {
    const known = this.#pending;
    this.#pending = new Map();
    const { mayTell } = this.#options;
    if (mayTell === undefined) return known;
    for (const [id, entry] of known) {
      if (mayTell(id)) continue;
      known.delete(id);
      this.#pending.set(id, entry);
    }
    return known;
  }
}

function wordsOf(entry: Pending): LastWords {
  return {
    ...(entry.progress === undefined ? {} : { progress: entry.progress }),
    ...(entry.logs.length === 0 ? {} : { logs: entry.logs }),
  };
}

function cut(message: string): string {
  return message.length <= MAX_LOG_LINE_LENGTH
    ? message
    : `${message.slice(0, MAX_LOG_LINE_LENGTH - 1)}…`;
}
