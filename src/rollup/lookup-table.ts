// A table from child to parent that changes while a stream runs.
import { type OptionNames, checkOptions, checkWhole } from "../core/arguments.ts";

/** Enough for every fleet we know of; an entry is a few hundred bytes with its two strings. */
export const DEFAULT_MAX_ASSOCIATIONS = 1_000_000;

/** How a table is bounded. */
interface LookupTableOptions {
  readonly maxAssociations?: number;
}

const TABLE_NAMES: OptionNames<LookupTableOptions> = { maxAssociations: true };

/**
 * Child to parent, updated and never replaced: a child that is set again belongs to the new parent from
 * then on. Past its bound new children are refused and counted; known ones can still move.
 *
 * @example
 * const teamOf = new LookupTable();
 * teamOf.set("checkout", "payments");
 */
export class LookupTable {
  readonly #maxAssociations: number;
  readonly #parents = new Map<string, string>();
  readonly #listeners = new Set<(child: string) => void>();
  #refused = 0;

  constructor(options: LookupTableOptions = {}) {
    const { maxAssociations = DEFAULT_MAX_ASSOCIATIONS } = checkOptions(
      options,
      "options",
      TABLE_NAMES,
    );
    this.#maxAssociations = checkWhole(maxAssociations, "maxAssociations", 1);
  }

  get size(): number {
    return this.#parents.size;
  }

  /** New children refused because the table was full. */
  get refused(): number {
    return this.#refused;
  }

  get(child: string): string | undefined {
    return this.#parents.get(child);
  }

  /** Sets a child's parent. Answers false when the child is new and the table is full. */
  set(child: string, parent: string): boolean {
    const known = this.#parents.has(child);
    if (!known && this.#parents.size >= this.#maxAssociations) {
      this.#refused += 1;
      return false;
    }
    this.#parents.set(child, parent);
    if (!known) for (const listener of this.#listeners) listener(child);
    return true;
  }

  /** Calls `listener` with every child that becomes known; the answer ends that. */
  onKnown(listener: (child: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
