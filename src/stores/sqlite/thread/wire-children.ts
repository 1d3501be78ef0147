// The short form in which the steps that runs make cross threads: columns, as in wire.ts.
import type { JobId } from "../../../core/ids.ts";
import type { ChildJob } from "../../../core/run.ts";

/** Children of all runs of an exchange, one run's after the other's. */
export interface PackedChildren {
  readonly ids: readonly JobId[];
  /** The types with their queues, each pair once, and for each child the place of its own among them. */
  readonly kinds: readonly (readonly [type: string, queue: string])[];
  readonly kindOf: readonly number[];
  readonly inputs: readonly string[];
  /** "" for those that anyone may claim. */
  readonly tokens: readonly string[];
  /** What else is said of some children, each with its place. */
  readonly extras: readonly (readonly [at: number, extra: Partial<ChildJob>])[];
}

/** What has a column of its own. */
const IN_COLUMNS: ReadonlySet<string> = new Set(["id", "type", "queue", "input", "token"]);

/** Packs children, one after the other. */
export class ChildPacker {
  readonly packed = {
    ids: [] as JobId[],
    kinds: [] as [string, string][],
    kindOf: [] as number[],
    inputs: [] as string[],
    tokens: [] as string[],
    extras: [] as [number, Partial<ChildJob>][],
  };
  readonly #placeOfKind = new Map<string, number>();
  #lastPlace = 0;

  add(child: ChildJob): void {
    const { ids, inputs, tokens, kindOf, extras } = this.packed;
    const extra = extraOf(child);
    if (extra !== null) extras.push([ids.length, extra]);
    ids.push(child.id);
    inputs.push(child.input);
    tokens.push(child.token ?? "");
    kindOf.push(this.#kind(child));
  }

  /** Most are of the kind of the one before: only others are looked up. */
  #kind({ type, queue }: ChildJob): number {
    const last = this.packed.kinds[this.#lastPlace];
    if (last?.[0] === type && last[1] === queue) return this.#lastPlace;
    const key = JSON.stringify([type, queue]);
    let place = this.#placeOfKind.get(key);
    if (place === undefined) {
      place = this.packed.kinds.push([type, queue]) - 1;
      this.#placeOfKind.set(key, place);
    }
    this.#lastPlace = place;
    return place;
  }
}

/** `null`: nothing, as of most. */
function extraOf(child: ChildJob): Partial<ChildJob> | null {
  for (const key in child) {
    if (IN_COLUMNS.has(key)) continue;
    const { id: _id, type: _type, queue: _queue, input: _input, token: _token, ...extra } = child;
    return extra;
  }
  return null;
}

export function unpackChildren(packed: PackedChildren): readonly ChildJob[] {
  const { ids, kinds, kindOf, inputs, tokens } = packed;
  const extras = new Map(packed.extras);
  return ids.map((id, at) => {
    const [type, queue] = kinds[kindOf[at] ?? 0] ?? ["", ""];
    const usual = { id, type, queue, input: inputs[at] ?? "null" };
    const token = tokens[at] ?? "";
    const child = token === "" ? usual : { ...usual, token };
    const extra = extras.get(at);
    return extra === undefined ? child : { ...child, ...extra };
  });
}
