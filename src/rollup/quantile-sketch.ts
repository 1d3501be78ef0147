// Quantiles of a stream within a relative error, in bounded memory: DDSketch.
//
// After Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
// Guarantees", PVLDB 12(12), 2019. Values fall into buckets whose bounds grow by the factor gamma; the
// middle of a bucket is within the relative accuracy of every value in it. Past the bound on buckets the
// lowest ones are collapsed into one, so that high quantiles stay exact to the promise. Sketches merge
// without loss, which sliding windows need.

/** One percent: the accuracy the paper's authors use for latencies. */
const DEFAULT_RELATIVE_ACCURACY = 0.01;

/** At one percent 1,024 buckets span values whose ratio is 8 * 10^8: a microsecond to 13 minutes. 8 KiB at most. */
const DEFAULT_MAX_BUCKETS = 1_024;

/** Buckets are added this many at a time, so that a sketch of few values stays at half a kilobyte. */
const GROWTH = 64;

/** Smaller than this counts as zero: the logarithm of denormal numbers is of no use to anyone. */
const SMALLEST = 1e-300;

/** A run of buckets with a moving lower end. */
class Buckets {
  readonly #maxBuckets: number;
  #counts = new Float64Array(0);
  /** The bucket number of `#counts[0]`. */
  #lowest = 0;

  constructor(maxBuckets: number) {
    this.#maxBuckets = maxBuckets;
  }

  add(bucket: number, count: number): void {
    if (this.#counts.length === 0) this.#lowest = bucket - GROWTH / 2;
    const at = bucket - this.#lowest;
    const canGrowDown = this.#counts.length < this.#maxBuckets;
    if (at >= this.#counts.length || (at < 0 && canGrowDown)) this.#makeRoom(bucket);
    // A bucket below the bound was collapsed into the lowest one kept.
    const index = Math.max(0, bucket - this.#lowest);
    this.#counts[index] = this.#counts[index]! + count;
  }

  /** Bucket numbers with their counts, lowest first. */
  *entries(): Generator<readonly [bucket: number, count: number]> {
    for (const [at, count] of this.#counts.entries()) {
      if (count > 0) yield [this.#lowest + at, count];
    }
  }

  #makeRoom(bucket: number): void {
    const highest = this.#lowest + this.#counts.length - 1;
    const newHighest = bucket > highest ? bucket + GROWTH / 2 : highest;
    const wantedLowest = bucket < this.#lowest ? bucket - GROWTH / 2 : this.#lowest;
    const newLowest = Math.max(wantedLowest, newHighest - this.#maxBuckets + 1);
    const counts = new Float64Array(newHighest - newLowest + 1);
    for (const [at, count] of this.#counts.entries()) {
      const index = Math.max(0, this.#lowest + at - newLowest);
      if (index < counts.length) counts[index] = counts[index]! + count;
    }
    this.#counts = counts;
    this.#lowest = newLowest;
  }
}

/** A mergeable sketch of numbers that answers quantiles within a relative error. */
export class QuantileSketch {
  readonly #gamma: number;
  readonly #logGamma: number;
  readonly #positive: Buckets;
  readonly #negative: Buckets;
  #zeros = 0;
  #count = 0;

  constructor(options: { readonly relativeAccuracy?: number; readonly maxBuckets?: number } = {}) {
    const accuracy = options.relativeAccuracy ?? DEFAULT_RELATIVE_ACCURACY;
    const maxBuckets = options.maxBuckets ?? DEFAULT_MAX_BUCKETS;
    this.#gamma = (1 + accuracy) / (1 - accuracy);
    this.#logGamma = Math.log(this.#gamma);
    this.#positive = new Buckets(maxBuckets);
    this.#negative = new Buckets(maxBuckets);
  }

  /** How many values were added. */
  get count(): number {
    return this.#count;
  }

  /** Adds a finite number. */
  add(value: number): void {
    this.#count += 1;
    if (value > SMALLEST) this.#positive.add(this.#bucketOf(value), 1);
    else if (value < -SMALLEST) this.#negative.add(this.#bucketOf(-value), 1);
    else this.#zeros += 1;
  }

  /** Adds all values of another sketch of the same accuracy. */
  merge(other: QuantileSketch): void {
    for (const [bucket, count] of other.#positive.entries()) this.#positive.add(bucket, count);
    for (const [bucket, count] of other.#negative.entries()) this.#negative.add(bucket, count);
    this.#zeros += other.#zeros;
    this.#count += other.#count;
  }

  /** The value below which the share `quantile` (0 to 1) of the values lies; undefined for an empty sketch. */
  quantile(quantile: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = quantile * (this.#count - 1);
    let seen = 0;
    for (const [bucket, count] of [...this.#negative.entries()].reverse()) {
      seen += count;
      if (seen > rank) return -this.#middleOf(bucket);
    }
    seen += this.#zeros;
    if (seen > rank) return 0;
    let last = 0;
    for (const [bucket, count] of this.#positive.entries()) {
      seen += count;
      last = this.#middleOf(bucket);
      if (seen > rank) return last;
    }
    return last;
  }

  #bucketOf(value: number): number {
    return Math.ceil(Math.log(value) / this.#logGamma);
  }

  #middleOf(bucket: number): number {
    return (2 * this.#gamma ** bucket) / (this.#gamma + 1);
  }
}
