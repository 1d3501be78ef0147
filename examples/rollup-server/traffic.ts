// What the server sends: families of ids, messages between children, updates, and things that are no message.
import { randomUuid, seededRandom } from "./random.ts";

/** The switches of what is sent. Shares are from 0 to 1. */
export interface TrafficOptions {
  readonly seed?: number;
  readonly parents?: number;
  readonly children?: number;
  /** The share of children whose association comes with a later update, after their messages. */
  readonly late?: number;
  /** Late children told with each update. */
  readonly latePerUpdate?: number;
  /** Children that move to another parent with each update. */
  readonly movesPerUpdate?: number;
  /** The share of frames that are malformed. */
  readonly malformed?: number;
  /** Messages in another form than the usual one: other order, white space, escapes. */
  readonly unusual?: number;
}

/** What to send next. */
export type Sending =
  | {
      readonly kind: "message";
      readonly source: string;
      readonly destination: string;
      readonly text: string;
    }
  | { readonly kind: "malformed"; readonly data: string | Buffer; readonly binary: boolean };

const METHODS = ["GET", "POST", "PUT", "DELETE"];
const PATHS = ["/list", "/items/42", "/login", "/orders/new", "/"];
const STATUSES = [200, 201, 204, 301, 400, 404, 500];

/** Draws everything from one seed, so that two runs with the same switches send the same frames. */
export class Traffic {
  readonly #options: Required<TrafficOptions>;
  readonly #random: () => number;
  readonly #parents: readonly string[];
  readonly #children: readonly string[];
  readonly #parentOf = new Map<string, string>();
  /** Children whose association is held back. */
  readonly #late: string[];
  #malformed = 0;

  constructor(options: TrafficOptions = {}) {
    this.#options = {
      seed: options.seed ?? 1,
      parents: options.parents ?? 20,
      children: options.children ?? 200,
      late: options.late ?? 0,
      latePerUpdate: options.latePerUpdate ?? 10,
      movesPerUpdate: options.movesPerUpdate ?? 0,
      malformed: options.malformed ?? 0,
      unusual: options.unusual ?? 0,
    };
    this.#random = seededRandom(this.#options.seed);
    const { parents, children, late } = this.#options;
    this.#parents = Array.from({ length: parents }, () => randomUuid(this.#random));
    this.#children = Array.from({ length: children }, () => randomUuid(this.#random));
    const known = children - Math.round(children * late);
    for (const child of this.#children.slice(0, known)) {
      this.#parentOf.set(child, this.#pick(this.#parents));
    }
    this.#late = this.#children.slice(known);
  }

  /** The associations told so far, as [parent, child]. */
  known(): readonly (readonly [string, string])[] {
    return [...this.#parentOf].map(([child, parent]) => [parent, child] as const);
  }

  /** The next update: late children that become known, and children that move. */
  nextUpdate(): readonly (readonly [string, string])[] {
    const told = this.#late.splice(0, this.#options.latePerUpdate);
    const movable = [...this.#parentOf.keys()];
    const moved = Array.from(
      { length: movable.length > 0 ? this.#options.movesPerUpdate : 0 },
      () => this.#pick(movable),
    );
    return [...told, ...moved].map((child) => this.#associate(child));
  }

  /** Everything that is still held back. */
  revealAll(): readonly (readonly [string, string])[] {
    return this.#late.splice(0).map((child) => this.#associate(child));
  }

  next(): Sending {
    const { malformed, unusual } = this.#options;
    if (malformed > 0 && this.#random() < malformed) return this.#nextMalformed();
    const source = this.#pick(this.#children);
    const destination = this.#pick(this.#children);
    const rest = {
      method: this.#pick(METHODS),
      path: this.#pick(PATHS),
      httpStatus: this.#pick(STATUSES),
    };
    const text =
      unusual > 0 && this.#random() < unusual
        ? this.#unusualText(source, destination, rest)
        : JSON.stringify({ source, destination, ...rest });
    return { kind: "message", source, destination, text };
  }

  #associate(child: string): readonly [string, string] {
    const parent = this.#pick(this.#parents);
    this.#parentOf.set(child, parent);
    return [parent, child];
  }

  #unusualText(source: string, destination: string, rest: object): string {
    const forms = [
      (): string => JSON.stringify({ ...rest, destination, source }),
      (): string => JSON.stringify({ source, destination, ...rest }, undefined, 2),
      (): string =>
        JSON.stringify({ source: source.toUpperCase(), destination, ...rest, more: "é" }),
      (): string =>
        `{"source":"none","source":"${source}","destination":"\\u00${toHex(destination[0]!)}${destination.slice(1)}"}`,
    ];
    return this.#pick(forms)();
  }

  /** One of each kind in turn. */
  #nextMalformed(): Sending {
    const forms: readonly (string | Buffer)[] = [
      '{"source":',
      '{"hello":"world"}',
      `{"source":"${this.#children[0]}","destination":"not-a-uuid"}`,
      '"text"',
      Buffer.from([0x22, 0xff, 0x22]),
      Buffer.from([1, 2, 3]),
      "",
    ];
    const at = this.#malformed % forms.length;
    this.#malformed += 1;
    return { kind: "malformed", data: forms[at]!, binary: at === 5 };
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)]!;
  }
}

function toHex(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(2, "0");
}
