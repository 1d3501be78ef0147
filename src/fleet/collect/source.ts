// A member as a source of samples: its stream, its share, its silence.
import { fillPlaceholders } from "../../processes/index.ts";
import type { MemberStatus } from "../fleet.ts";
import type { CollectSettings } from "./options.ts";
import { SampleStream } from "./stream.ts";

/** What a source tells the collection. */
export interface SourceEars<Sample> {
  sample(source: Source<Sample>, sample: Sample): void;
  /** The stream has ended or was given up; `rest` of its share is to be given out again. */
  released(source: Source<Sample>, rest: number): void;
  /** The member does not do what it is there for. */
  failed(source: Source<Sample>, reason: string): void;
}

/** Patience with a member that stalls again and again doubles so often at most: 2 s become a minute. */
const MAX_PATIENCE_DOUBLINGS = 5;
/** A member that is ready may still be busy with the look that found it so; then it is asked again. */
const FIRST_RETRY_MS = 5;
const MAX_RETRY_MS = 250;
/** Enough gaps for a steady median, few enough to sort them often. */
const MAX_GAPS = 64;

/** One member over all its starts. */
export class Source<Sample> {
  readonly id: number;
  samples = 0;
  stalls = 0;
  garbageLines = 0;
  tooLongLines = 0;
  /** When it was last free to be asked; undefined while it is not. */
  freeSinceMs: number | undefined;
  /** When it was asked for what it owes. */
  askedAtMs = 0;
  /** Its last sample since its member was started. */
  lastSampleAtMs: number | undefined;
  readonly gapsMs: number[] = [];
  #start = 0;
  #port = 0;
  #stream: SampleStream<Sample> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #retries = 0;
  #stallsInRow = 0;
  #owesSinceMs = 0;
  #isFirstOfStream = true;
  readonly #settings: CollectSettings<Sample>;
  readonly #ears: SourceEars<Sample>;

  constructor(id: number, settings: CollectSettings<Sample>, ears: SourceEars<Sample>) {
    this.id = id;
    this.#settings = settings;
    this.#ears = ears;
  }

  /** Which start of the member this is about. */
  get start(): number {
    return this.#start;
  }

  /** Samples that it was asked for and has not given. */
  get owed(): number {
    return this.#stream === undefined ? 0 : this.#stream.share - this.#stream.received;
  }

  /** Its member is ready. */
  open({ start, port }: MemberStatus): void {
    this.close();
    this.#start = start;
    this.#port = port ?? 0;
    this.#retries = 0;
    this.lastSampleAtMs = undefined;
    this.freeSinceMs = performance.now();
  }

  /** Its member is ready no more; what it owed is to be given out again. */
  close(): number {
    const rest = this.cut();
    this.freeSinceMs = undefined;
    return rest;
  }

  /** Ends the stream and gives back what was owed. */
  cut(): number {
    const rest = this.owed;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stream?.close();
    this.#countLines();
    this.#stream = undefined;
    this.freeSinceMs = performance.now();
    return rest;
  }

  /** Asks the member for a share. */
  ask(share: number): void {
    const { url, maxLineBytes, parse } = this.#settings;
    const values = { id: this.id, port: this.#port, start: this.#start, n: share };
    this.freeSinceMs = undefined;
    this.askedAtMs = performance.now();
    this.#isFirstOfStream = true;
    if (this.#retries === 0) this.#owesSinceMs = this.askedAtMs;
    this.#stream = new SampleStream<Sample>({
      url: fillPlaceholders(url, values),
      share,
      maxLineBytes,
      parse,
      onSample: (sample) => this.#hear(sample),
      onEnd: (problem) => this.#ended(problem),
    });
    this.#watch();
  }

  #hear(sample: Sample): void {
    const nowMs = performance.now();
    // Between two streams there is our own time too: only gaps within one are the member's pace.
    if (!this.#isFirstOfStream && this.gapsMs.length < MAX_GAPS) {
      this.gapsMs.push(nowMs - (this.lastSampleAtMs ?? nowMs));
    }
    this.#isFirstOfStream = false;
    this.lastSampleAtMs = nowMs;
    this.#owesSinceMs = nowMs;
    this.#retries = 0;
    this.#stallsInRow = 0;
    this.samples++;
    this.#ears.sample(this, sample);
  }

  get #patienceMs(): number {
    return this.#settings.stallTimeoutMs * 2 ** Math.min(this.#stallsInRow, MAX_PATIENCE_DOUBLINGS);
  }

  /** One timer for each silence, not for each sample: it looks how long the silence is, and waits for the rest. */
  #watch(): void {
    const silentMs = performance.now() - this.#owesSinceMs;
    const leftMs = this.#patienceMs - silentMs;
    if (leftMs > 0) {
      this.#timer = setTimeout(() => this.#watch(), Math.ceil(leftMs));
      return;
    }
    this.#stall(`no sample for ${Math.round(silentMs)} ms`);
  }

  #stall(reason: string): void {
    this.stalls++;
    this.#stallsInRow++;
    this.#ears.failed(this, reason);
  }

  #ended(problem: string | undefined): void {
    const hadSamples = (this.#stream?.received ?? 0) > 0;
    const isFlooding = this.#stream?.isFlooding === true;
    const rest = this.cut();
    if (isFlooding) this.#stall(problem ?? "");
    else if (problem !== undefined && !hadSamples) this.#retryLater(problem);
    this.#ears.released(this, rest);
  }

  /** A stream without a sample: the share goes to whoever is free, and this member waits a little. */
  #retryLater(problem: string): void {
    const silentMs = performance.now() - this.#owesSinceMs;
    if (silentMs >= this.#patienceMs) {
      this.#stall(`no sample for ${Math.round(silentMs)} ms: ${problem}`);
      return;
    }
    this.freeSinceMs = undefined;
    const pauseMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#retries++);
    this.#timer = setTimeout(() => {
      this.freeSinceMs = performance.now();
      this.#ears.released(this, 0);
    }, pauseMs);
  }

  #countLines(): void {
    if (this.#stream === undefined) return;
    const { garbage, tooLong } = this.#stream.counts;
    this.garbageLines += garbage;
    this.tooLongLines += tooLong;
  }
}
