// A queue whose members may leave from anywhere.

/** What stands in at most one line at a time. */
export interface Standing {
  line: unknown;
}

/** Dead places at the head that are kept before a line is copied. */
const MOST_GONE = 64;

/**
 * Members in the order in which they came. One that leaves from the middle is forgotten when it comes to the head, so that
 * coming and going costs an assignment each, and no table lives on with what stood in it (see SlidingMap).
 */
export class Line<Member extends Standing> {
  #places: (Member | undefined)[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Who came first; `undefined`: nobody stands here. */
  get first(): Member | undefined {
    return this.#places[this.#head];
  }

  add(member: Member): void {
    member.line = this;
    this.#places.push(member);
    this.#size += 1;
  }

  has(member: Member): boolean {
    return member.line === this;
  }

  /** Without effect on one that does not stand here. */
  remove(member: Member): void {
    if (member.line !== this) return;
    member.line = null;
    this.#size -= 1;
    this.#skipGone();
  }

  /** All as they stand now: the line may change while they are walked. */
  members(): readonly Member[] {
    const members: Member[] = [];
    for (let at = this.#head; at < this.#places.length; at += 1) {
      const member = this.#places[at];
      if (member?.line === this) members.push(member);
    }
    return members;
  }

  #skipGone(): void {
    const places = this.#places;
    if (this.#size === 0) {
      this.#places = [];
      this.#head = 0;
      return;
    }
    while (places[this.#head]?.line !== this) {
      places[this.#head] = undefined;
      this.#head += 1;
    }
    if (this.#head < MOST_GONE || this.#head * 2 < places.length) return;
    this.#places = places.slice(this.#head);
    this.#head = 0;
  }
}
