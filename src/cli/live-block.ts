// A block of lines at the bottom of a terminal that is drawn again and again, with lines above it that stay.
import type { WriteStream } from "node:tty";
import { cutTo } from "./output.ts";

const CLEAR_TO_END = "\u001b[J";

/** Draws on a terminal; elsewhere it only prints the lines that stay. */
export class LiveBlock {
  readonly #out: WriteStream | NodeJS.WritableStream;
  #lines: readonly string[] = [];
  #shown = 0;

  constructor(out: WriteStream | NodeJS.WritableStream) {
    this.#out = out;
  }

  get isTerminal(): boolean {
    return "isTTY" in this.#out && this.#out.isTTY;
  }

  /** Lines that the terminal can show at once; a block higher than it could not be taken away again. */
  get rows(): number {
    return this.isTerminal && "rows" in this.#out ? this.#out.rows : Number.POSITIVE_INFINITY;
  }

  /** Prints a line that stays, above the block. */
  tell(line: string): void {
    this.#out.write(`${this.#erase()}${this.#lines.length > 0 ? this.#cut(line) : line}\n`);
    this.#put();
  }

  /** Puts these lines in the place of the block. */
  draw(lines: readonly string[]): void {
    if (!this.isTerminal) return;
    this.#out.write(this.#erase());
    this.#lines = lines;
    this.#put();
  }

  /** Leaves the block where it stands, or takes it away. */
  end(isKept: boolean): void {
    if (!isKept) this.#out.write(this.#erase());
    this.#lines = [];
    this.#shown = 0;
  }

  #put(): void {
    if (this.#lines.length === 0) return;
    this.#out.write(this.#lines.map((line) => `${this.#cut(line)}\n`).join(""));
    this.#shown = this.#lines.length;
  }

  /** Up to the block's first line, and clear from there. */
  #erase(): string {
    const up = this.#shown === 0 ? "" : `\u001b[${this.#shown}A\r${CLEAR_TO_END}`;
    this.#shown = 0;
    return up;
  }

  /** A line that wrapped would take two and spoil the count. */
  #cut(line: string): string {
    return "columns" in this.#out ? cutTo(line, this.#out.columns) : line;
  }
}
