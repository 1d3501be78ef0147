// One line of progress on a terminal, which is gone when what it tells of is over.
import type { WriteStream } from "node:tty";
import { cutTo } from "./output.ts";

const TO_START_AND_CLEAR = "\r\u001b[K";

/** Writes to standard error, beside what a command prints; nothing where that is no terminal. */
export class ProgressLine {
  readonly #out: WriteStream;

  constructor(out: WriteStream = process.stderr) {
    this.#out = out;
  }

  show(text: string): void {
    // A line that wrapped would not be taken away whole.
    if (this.#out.isTTY)
      this.#out.write(`${TO_START_AND_CLEAR}${cutTo(text, this.#out.columns - 1)}`);
  }

  end(): void {
    if (this.#out.isTTY) this.#out.write(TO_START_AND_CLEAR);
  }
}
