// What comes often is told once at first, then once an interval with its count: an outage must not fill the log.

/** Between two lines of the same thing: as often as somebody who watches an outage wants to hear of it. */
const REPEAT_INTERVAL_MS = 10_000;

/** Writes a line that stands for `repeated` more since the last one; undefined of the first. */
type Write = (repeated: number | undefined) => void;

interface Repeated {
  count: number;
  /** Writes the line of the latest. */
  write: Write;
  readonly timer: NodeJS.Timeout;
}

/** Counts what repeats itself. Holds one timer for each key that was told of late; {@link Repeats.flush} ends them. */
export class Repeats {
  readonly #known = new Map<string, Repeated>();

  /** Writes at once, or counts where the same key was told less than 10 s ago. Keys must be few. */
  tell(key: string, write: Write): void {
    const known = this.#known.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.write = write;
      return;
    }
    const timer = setInterval(() => this.#tellCount(key), REPEAT_INTERVAL_MS);
    timer.unref();
    this.#known.set(key, { count: 0, write, timer });
    write(undefined);
  }

  /** Writes what was counted and not yet told. */
  flush(): void {
    for (const { count, write, timer } of this.#known.values()) {
      clearInterval(timer);
      if (count > 0) write(count);
    }
    this.#known.clear();
  }

  #tellCount(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    const { count, write, timer } = known;
    if (count === 0) {
      clearInterval(timer);
      this.#known.delete(key);
      return;
    }
    known.count = 0;
    write(count);
  }
}
