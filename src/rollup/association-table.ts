// Which parent every child belongs to, by integers, for streams whose ids are UUIDs.
import { grownInt32 } from "./pair-table.ts";
import { NO_ID, UuidTable } from "./uuid-table.ts";

/** What an association did: a child seen first, one that moved, nothing new, or no room for its ids. */
export type AssociationEffect = "new" | "moved" | "same" | "refused";

const INITIAL_CAPACITY = 256;

/**
 * Child to parent over one table of UUIDs. A child that is associated again belongs to the new parent
 * from then on. Ids are never forgotten, since the stream has no word for that; their number is bounded.
 */
export class AssociationTable {
  readonly ids: UuidTable;
  #parents: Int32Array = new Int32Array(INITIAL_CAPACITY).fill(NO_ID);
  #children = 0;

  constructor(options: { readonly maxIds: number }) {
    this.ids = new UuidTable(options);
  }

  /** Children with a parent. */
  get children(): number {
    return this.#children;
  }

  /** The parent of an id of this table, or `NO_ID`. */
  parentOf(id: number): number {
    // Ids that were given out but never associated lie past the end.
    return id < this.#parents.length ? this.#parents[id]! : NO_ID;
  }

  /** The parent of a child in text form, or `NO_ID`. */
  parentOfText(child: string): number {
    const id = this.ids.findText(child);
    return id === NO_ID ? NO_ID : this.parentOf(id);
  }

  associate(parentText: string, childText: string): AssociationEffect {
    const child = this.ids.intern(childText);
    const parent = this.ids.intern(parentText);
    if (child === NO_ID || parent === NO_ID) return "refused";
    const before = this.parentOf(child);
    if (before === parent) return "same";
    if (child >= this.#parents.length) this.#grow(child);
    this.#parents[child] = parent;
    if (before !== NO_ID) return "moved";
    this.#children += 1;
    return "new";
  }

  #grow(child: number): void {
    const length = this.#parents.length;
    const capacity = Math.max(length * 2, child + 1);
    this.#parents = grownInt32(this.#parents, capacity).fill(NO_ID, length);
  }
}
