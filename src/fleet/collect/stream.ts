// One request to one member: a stream of lines, of which some are samples.
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { LineSplitter } from "../../processes/index.ts";
import { lookupLoopback } from "../loopback.ts";

/** Turns a line into a sample; undefined for a line that is none. */
export type ParseSample<Sample> = (line: string) => Sample | undefined;

/** What to ask for and who is told. */
export interface StreamOptions<Sample> {
  readonly url: string;
  /** Samples asked for. */
  readonly share: number;
  readonly maxLineBytes: number;
  readonly parse: ParseSample<Sample>;
  readonly onSample: (sample: Sample) => void;
  /** Called once, unless the stream was closed first. `problem` says why the share is not complete. */
  readonly onEnd: (problem: string | undefined) => void;
}

/** Lines that were no samples. */
export interface LineCounts {
  readonly garbage: number;
  readonly tooLong: number;
}

/** A member that gave its share ends the stream by itself; one that does not is cut off after so long. */
const END_WITHIN_MS = 100;

/** A member that sends so much without a sample in it is not worth the time to read the rest. */
const MAX_BYTES_WITHOUT_SAMPLE = 16 * 1_024 * 1_024;

/** A stream under way. */
export class SampleStream<Sample> {
  readonly share: number;
  /** Samples that came. */
  received = 0;
  readonly #options: StreamOptions<Sample>;
  readonly #lines: LineSplitter;
  readonly #request: ReturnType<typeof get>;
  #garbage = 0;
  #bytesWithoutSample = 0;
  #isOver = false;
  #cutOff: NodeJS.Timeout | undefined;

  constructor(options: StreamOptions<Sample>) {
    this.#options = options;
    this.share = options.share;
    this.#lines = new LineSplitter(options.maxLineBytes, (line) => this.#hear(line));
    // No agent: nothing is kept alive, for a member takes one connection at a time.
    const request = get(options.url, { agent: false, lookup: lookupLoopback });
    this.#request = request;
    request.on("response", (response) => this.#read(response));
    request.on("error", (error) => this.#end(error.message));
    request.on("close", () => this.#end("the connection ended"));
  }

  get counts(): LineCounts {
    return { garbage: this.#garbage, tooLong: this.#lines.tooLongCount };
  }

  /** Whether it sends and sends, and never a sample. */
  get isFlooding(): boolean {
    return this.#bytesWithoutSample > MAX_BYTES_WITHOUT_SAMPLE;
  }

  /** Ends the connection; nobody is told. Idempotent. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#cutOff);
    this.#request.destroy();
  }

  #read(response: IncomingMessage): void {
    if (response.statusCode !== 200) {
      this.#end(`answered with status ${response.statusCode}`);
      return;
    }
    response.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      this.#bytesWithoutSample += chunk.length;
      this.#lines.push(chunk);
      if (this.isFlooding) this.#end(`${this.#bytesWithoutSample} bytes without a sample`);
    });
    response.on("error", (error) => this.#end(error.message));
    response.on("end", () => {
      if (!this.#isOver) this.#lines.end();
      // The connection's own end follows: only then can the member take the next one.
    });
  }

  #hear(line: string): void {
    if (this.#isOver || this.received === this.share) return;
    const sample = this.#options.parse(line);
    if (sample === undefined) {
      this.#garbage++;
      return;
    }
    this.received++;
    this.#bytesWithoutSample = 0;
    if (this.received === this.share) {
      this.#cutOff = setTimeout(() => this.#end(undefined), END_WITHIN_MS);
    }
    this.#options.onSample(sample);
  }

  #end(problem: string | undefined): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd(this.received === this.share ? undefined : problem);
  }
}
