// One window of the general roll-up: keys of any number of fields, a count and measures for each.
import { createColumn, type Measure, type MeasureColumn, type MeasureValue } from "./measures.ts";
import { PairTable, TABLE_FULL } from "./pair-table.ts";

/** A value a key field can have. */
export type KeyValue = string | number | boolean;

/** What was counted for one key. */
export interface RollupRow {
  /** The key's fields; a field with a lookup table holds the parent. */
  readonly key: Readonly<Record<string, KeyValue>>;
  readonly count: number;
  /** The measures by the names they were given. */
  readonly measures: Readonly<Record<string, MeasureValue>>;
}

/** What a window is made of, the same for every window of a roll-up. */
export interface WindowShape {
  readonly key: readonly string[];
  readonly measures: Readonly<Record<string, Measure>>;
  readonly maxKeys: number;
}

/** The columns of one set of keys. */
interface Columns {
  readonly counts: number[];
  readonly measures: ReadonlyMap<string, MeasureColumn>;
}

/**
 * Counts by key. A key's values are numbered field by field, and the numbers are folded from the left:
 * ((first, second), third) and so on, each pair numbered by a `PairTable`. The last number is the row.
 * Everything past `maxKeys` goes to one overflow row, so that the sums over all rows stay those of the
 * events. Values are numbered per window: what a window saw is forgotten with it.
 */
export class KeyedWindow {
  readonly #shape: WindowShape;
  readonly #numbers: readonly Map<KeyValue, number>[];
  readonly #values: readonly KeyValue[][];
  readonly #pairs: readonly PairTable[];
  readonly #columns: Columns;
  readonly #overflow: Columns;

  constructor(shape: WindowShape) {
    this.#shape = shape;
    this.#numbers = shape.key.map(() => new Map());
    this.#values = shape.key.map(() => []);
    this.#pairs = shape.key.map(() => new PairTable({ maxPairs: shape.maxKeys }));
    this.#columns = createColumns(shape);
    this.#overflow = createColumns(shape);
  }

  /** How many keys have a row of their own. */
  get size(): number {
    return this.#columns.counts.length;
  }

  /** How many events were counted, those in the overflow row included. */
  get events(): number {
    return this.#columns.counts.reduce((total, count) => total + count, this.overflowCount);
  }

  /** How many events fell into the overflow row. */
  get overflowCount(): number {
    return this.#overflow.counts[0] ?? 0;
  }

  /** Counts one event under a key; `event` is asked for the fields of the measures. */
  add(key: readonly KeyValue[], event: Readonly<Record<string, unknown>>): void {
    const row = this.#rowOf(key);
    const columns = row === TABLE_FULL ? this.#overflow : this.#columns;
    const index = Math.max(row, 0);
    columns.counts[index] = (columns.counts[index] ?? 0) + 1;
    for (const [name, column] of columns.measures) {
      const value = event[this.#shape.measures[name]!.field];
      if (typeof value === "number" && Number.isFinite(value)) column.add(index, value);
    }
  }

  /** Adds everything another window of the same shape holds. */
  merge(other: KeyedWindow): void {
    for (let from = 0; from < other.size; from += 1) {
      const row = this.#rowOf(other.#keyOf(from));
      const columns = row === TABLE_FULL ? this.#overflow : this.#columns;
      mergeRow(columns, Math.max(row, 0), other.#columns, from);
    }
    if (other.overflowCount > 0) mergeRow(this.#overflow, 0, other.#overflow, 0);
  }

  /** The rows, in the order their keys were first seen. */
  *rows(): Generator<RollupRow> {
    for (let row = 0; row < this.size; row += 1) {
      const values = this.#keyOf(row);
      const key = Object.fromEntries(this.#shape.key.map((field, at) => [field, values[at]!]));
      yield { key, ...readRow(this.#columns, row) };
    }
  }

  /** What did not fit, as one row without a key; undefined when everything fitted. */
  overflow(): Omit<RollupRow, "key"> | undefined {
    return this.overflowCount === 0 ? undefined : readRow(this.#overflow, 0);
  }

  #rowOf(key: readonly KeyValue[]): number {
    let row = 0;
    for (let field = 0; field < key.length; field += 1) {
      const number = this.#numberOf(field, key[field]!);
      if (number === TABLE_FULL) return TABLE_FULL;
      row = this.#pairs[field]!.index(row, number);
      if (row === TABLE_FULL) return TABLE_FULL;
    }
    return row;
  }

  #numberOf(field: number, value: KeyValue): number {
    const numbers = this.#numbers[field]!;
    const held = numbers.get(value);
    if (held !== undefined) return held;
    if (numbers.size >= this.#shape.maxKeys) return TABLE_FULL;
    const number = numbers.size;
    numbers.set(value, number);
    this.#values[field]!.push(value);
    return number;
  }

  #keyOf(row: number): KeyValue[] {
    const key: KeyValue[] = [];
    let index = row;
    for (let field = this.#pairs.length - 1; field >= 0; field -= 1) {
      key[field] = this.#values[field]![this.#pairs[field]!.second(index)]!;
      index = this.#pairs[field]!.first(index);
    }
    return key;
  }
}

function createColumns(shape: WindowShape): Columns {
  const measures = Object.entries(shape.measures);
  return {
    counts: [],
    measures: new Map(measures.map(([name, measure]) => [name, createColumn(measure)])),
  };
}

function mergeRow(into: Columns, row: number, from: Columns, fromRow: number): void {
  into.counts[row] = (into.counts[row] ?? 0) + from.counts[fromRow]!;
  for (const [name, column] of into.measures) {
    column.merge(row, from.measures.get(name)!, fromRow);
  }
}

function readRow(columns: Columns, row: number): Omit<RollupRow, "key"> {
  const measures = [...columns.measures].map(
    ([name, column]) => [name, column.value(row)] as const,
  );
  return { count: columns.counts[row]!, measures: Object.fromEntries(measures) };
}
