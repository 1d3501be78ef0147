// What is measured per key: sums, minima, maxima and quantiles of a field, in columns beside the keys.
import { type OptionNames, checkOptions } from "../core/arguments.ts";
import { MillraceError } from "../core/errors.ts";
import { QuantileSketch } from "./quantile-sketch.ts";

/** A measure of one numeric field, made with `sum`, `min`, `max` or `quantiles`. */
export type Measure =
  | { readonly kind: "sum" | "min" | "max"; readonly field: string }
  | {
      readonly kind: "quantiles";
      readonly field: string;
      readonly quantiles: readonly number[];
      readonly relativeAccuracy?: number;
    };

/**
 * A measure's value for one key: a number, or the quantiles in the order they were asked for.
 * Undefined where no event of the key had the field.
 */
export type MeasureValue = number | readonly number[] | undefined;

/** How close quantiles are. */
interface QuantilesOptions {
  readonly relativeAccuracy?: number;
}

const QUANTILES_NAMES: OptionNames<QuantilesOptions> = { relativeAccuracy: true };

/** The sum of a field. */
export function sum(field: string): Measure {
  return { kind: "sum", field };
}

/** The smallest value of a field. */
export function min(field: string): Measure {
  return { kind: "min", field };
}

/** The largest value of a field. */
export function max(field: string): Measure {
  return { kind: "max", field };
}

/**
 * Quantiles of a field, each within `relativeAccuracy` (0.01 by default) of the true value.
 *
 * A sketch takes half a kilobyte per key and at most 8: bound `maxKeys` with that in mind.
 *
 * @throws MillraceError `INVALID_ARGUMENT` for a quantile outside 0 to 1 or an accuracy outside 0 to 1
 * @example quantiles("durationMs", [0.5, 0.99])
 */
export function quantiles(
  field: string,
  wanted: readonly number[],
  options: QuantilesOptions = {},
): Measure {
  const accuracy = checkOptions(options, "options", QUANTILES_NAMES).relativeAccuracy;
  if (wanted.some((quantile) => !(quantile >= 0 && quantile <= 1))) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `quantiles("${field}") got ${JSON.stringify(wanted)}; expected numbers from 0 to 1, such as [0.5, 0.99]`,
    });
  }
  if (accuracy !== undefined && !(accuracy > 0 && accuracy < 1)) {
    throw new MillraceError("INVALID_ARGUMENT", {
      message: `relativeAccuracy is ${accuracy}; expected more than 0 and less than 1, such as 0.01`,
    });
  }
  return {
    kind: "quantiles",
    field,
    quantiles: wanted,
    ...(accuracy === undefined ? {} : { relativeAccuracy: accuracy }),
  };
}

/** The values of one measure, one per key index. */
export interface MeasureColumn {
  add(index: number, value: number): void;
  /** Adds what another column of the same measure holds at `from`. */
  merge(index: number, other: MeasureColumn, from: number): void;
  value(index: number): MeasureValue;
  /** What `merge` reads: a number or a sketch. */
  cell(index: number): number | QuantileSketch | undefined;
}

/** Makes an empty column for a measure. */
export function createColumn(measure: Measure): MeasureColumn {
  if (measure.kind === "quantiles") return createSketchColumn(measure);
  const combine = { sum: (a: number, b: number) => a + b, min: Math.min, max: Math.max }[
    measure.kind
  ];
  // A plain array of numbers is stored as doubles and grows by itself; absent cells stay undefined.
  const values: (number | undefined)[] = [];
  function put(index: number, value: number): void {
    while (values.length <= index) values.push(undefined);
    const held = values[index];
    values[index] = held === undefined ? value : combine(held, value);
  }
  return {
    add: put,
    merge(index, other, from) {
      const value = other.cell(from);
      if (typeof value === "number") put(index, value);
    },
    value: (index) => values[index],
    cell: (index) => values[index],
  };
}

function createSketchColumn(measure: Extract<Measure, { kind: "quantiles" }>): MeasureColumn {
  const sketches: (QuantileSketch | undefined)[] = [];
  const options =
    measure.relativeAccuracy === undefined ? {} : { relativeAccuracy: measure.relativeAccuracy };
  function sketchAt(index: number): QuantileSketch {
    while (sketches.length <= index) sketches.push(undefined);
    return (sketches[index] ??= new QuantileSketch(options));
  }
  return {
    add: (index, value) => sketchAt(index).add(value),
    merge(index, other, from) {
      const sketch = other.cell(from);
      if (sketch instanceof QuantileSketch) sketchAt(index).merge(sketch);
    },
    value: (index) => {
      const sketch = sketches[index];
      return sketch && measure.quantiles.map((quantile) => sketch.quantile(quantile) ?? 0);
    },
    cell: (index) => sketches[index],
  };
}
