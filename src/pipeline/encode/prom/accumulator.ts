import { ExponentialBuckets } from './exponential.ts';

/**
 * Numbers of one metric by series slot. The metric's group of label tuples assigns slots, and calls
 * `reserve` before a new one.
 */
export interface Accumulator {
  reserve(slots: number): void;
  /** Adds `values[i]` to the series `slots[i]`, for i from 0 to `count`. */
  add(slots: Int32Array, values: Float64Array, count: number): void;
  /** Resets a slot whose series is gone or new. */
  clear(slot: number): void;
  /** Sample lines of a series: `<name><suffix>{<labels>} <value>`. */
  lines(name: string, labels: string, slot: number): string;
  read(slot: number, reader: PointReader): void;
}

/** Gets the value of one series. */
export interface PointReader {
  number(value: number): void;
  /**
   * `counts[i]` observations, not cumulative, are up to `bounds[i]`; the last are above all.
   * `native`: the same observations in other buckets, if the accumulator has them.
   */
  histogram(
    bounds: Float64Array,
    counts: Float64Array,
    sum: number,
    native: ExponentialBuckets | undefined,
  ): void;
}

export class CounterAccumulator implements Accumulator {
  #sums = new Float64Array(0);

  reserve(slots: number): void {
    this.#sums = grown(this.#sums, slots);
  }

  add(slots: Int32Array, values: Float64Array, count: number): void {
    const sums = this.#sums;
    for (let i = 0; i < count; i++) sums[slots[i]!]! += values[i]!;
  }

  clear(slot: number): void {
    this.#sums[slot] = 0;
  }

  lines(name: string, labels: string, slot: number): string {
    return sample(name, labels, this.#sums[slot]!);
  }

  read(slot: number, reader: PointReader): void {
    reader.number(this.#sums[slot]!);
  }
}

export class GaugeAccumulator implements Accumulator {
  #last = new Float64Array(0);

  reserve(slots: number): void {
    this.#last = grown(this.#last, slots);
  }

  add(slots: Int32Array, values: Float64Array, count: number): void {
    const last = this.#last;
    for (let i = 0; i < count; i++) last[slots[i]!] = values[i]!;
  }

  clear(slot: number): void {
    this.#last[slot] = 0;
  }

  lines(name: string, labels: string, slot: number): string {
    return sample(name, labels, this.#last[slot]!);
  }

  read(slot: number, reader: PointReader): void {
    reader.number(this.#last[slot]!);
  }
}

/** Observations count in the first bucket whose bound is not below them. */
export class HistogramAccumulator implements Accumulator {
  readonly #bounds: Float64Array;
  readonly #width: number;
  /** Observations per slot and bucket, the last one being +Inf; not cumulative. */
  #counts = new Float64Array(0);
  #sums = new Float64Array(0);
  /** Native histograms by slot, if they are wanted. */
  readonly #native: ExponentialBuckets[] | undefined;

  constructor(bounds: readonly number[], isNative: boolean) {
    this.#native = isNative ? [] : undefined;
    this.#bounds = Float64Array.from(bounds);
    this.#width = bounds.length + 1;
  }

  reserve(slots: number): void {
    this.#counts = grown(this.#counts, slots * this.#width);
    this.#sums = grown(this.#sums, slots);
    const native = this.#native;
    while (native !== undefined && native.length < slots) native.push(new ExponentialBuckets());
  }

  add(slots: Int32Array, values: Float64Array, count: number): void {
    const bounds = this.#bounds;
    const width = this.#width;
    const counts = this.#counts;
    const sums = this.#sums;
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      const slot = slots[i]!;
      let bucket = 0;
      while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
      counts[slot * width + bucket]!++;
      sums[slot]! += value;
    }
    const native = this.#native;
    if (native === undefined) return;
    for (let i = 0; i < count; i++) native[slots[i]!]!.add(values[i]!);
  }

  clear(slot: number): void {
    if (this.#native !== undefined) this.#native[slot] = new ExponentialBuckets();
    this.#counts.fill(0, slot * this.#width, (slot + 1) * this.#width);
    this.#sums[slot] = 0;
  }

  lines(name: string, labels: string, slot: number): string {
    const prefix = labels === '' ? '' : `${labels},`;
    let total = 0;
    let text = '';
    for (let bucket = 0; bucket < this.#width; bucket++) {
      total += this.#counts[slot * this.#width + bucket]!;
      const bound = this.#bounds[bucket];
      const le = bound === undefined ? '+Inf' : String(bound);
      text += `${name}_bucket{${prefix}le="${le}"} ${total}\n`;
    }
    text += sample(`${name}_sum`, labels, this.#sums[slot]!);
    return text + sample(`${name}_count`, labels, total);
  }

  read(slot: number, reader: PointReader): void {
    const width = this.#width;
    const counts = this.#counts.subarray(slot * width, (slot + 1) * width);
    reader.histogram(this.#bounds, counts, this.#sums[slot]!, this.#native?.[slot]);
  }
}

function sample(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

function grown(values: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (values.length >= length) return values;
  const larger = new Float64Array(length);
  larger.set(values);
  return larger;
}
