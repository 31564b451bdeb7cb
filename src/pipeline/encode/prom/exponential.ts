/** Buckets of a new histogram: eight for each power of two, each 9 % wider than the last. */
const SCHEMA_FIRST = 3;
/** With more, every two buckets become one. */
const BUCKETS_MAX = 160;
/** Observations up to this count as zero. */
const ZERO_THRESHOLD = 2 ** -128;

/**
 * A native histogram of Prometheus: its buckets are `(base ** (n - 1), base ** n]` for whole
 * numbers n, where `base` is `2 ** 2 ** -schema`. It has those from the first observation's to the
 * last one's.
 */
export class ExponentialBuckets {
  readonly zeroThreshold = ZERO_THRESHOLD;
  schema = SCHEMA_FIRST;
  /** Number of the first bucket. */
  first = 0;
  counts = new Float64Array(0);
  zeros = 0;

  /** Counts a number that is not negative. */
  add(value: number): void {
    if (value <= ZERO_THRESHOLD) {
      this.zeros++;
      return;
    }
    let bucket = this.#bucketOf(value);
    while (!this.#reach(bucket)) {
      this.#halve();
      bucket = this.#bucketOf(value);
    }
    this.counts[bucket - this.first]!++;
  }

  #bucketOf(value: number): number {
    const finite = Math.min(value, Number.MAX_VALUE);
    const scale = 2 ** this.schema;
    const bucket = Math.ceil(Math.log2(finite) * scale);
    // The logarithm is rounded, so a bound itself may seem to be beyond it, or not to be.
    if (finite <= 2 ** ((bucket - 1) / scale)) return bucket - 1;
    return finite > 2 ** (bucket / scale) ? bucket + 1 : bucket;
  }

  /** Makes room for a bucket. False: there would be too many. */
  #reach(bucket: number): boolean {
    const { length } = this.counts;
    if (length === 0) this.first = bucket;
    const first = Math.min(bucket, this.first);
    const wanted = Math.max(bucket + 1, this.first + length) - first;
    if (wanted > BUCKETS_MAX) return false;
    if (wanted === length) return true;
    const counts = new Float64Array(wanted);
    counts.set(this.counts, this.first - first);
    this.counts = counts;
    this.first = first;
    return true;
  }

  /** Joins buckets in pairs, so that there is room for values that are further apart. */
  #halve(): void {
    const { first, counts } = this;
    const halfOf = (bucket: number): number => Math.ceil(bucket / 2);
    const half = new Float64Array(halfOf(first + counts.length - 1) - halfOf(first) + 1);
    for (let i = 0; i < counts.length; i++) half[halfOf(first + i) - halfOf(first)]! += counts[i]!;
    this.first = halfOf(first);
    this.counts = half;
    this.schema--;
  }
}
