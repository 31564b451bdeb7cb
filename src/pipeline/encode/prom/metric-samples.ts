import type { NativeHistogram, SeriesWriter } from '../../../codec/prometheus/write-request.ts';
import type { ExponentialBuckets } from './exponential.ts';
import { type LabelFields, SeriesLabels } from './label-fields.ts';
import type { SeriesMetric } from './metric.ts';

/** What is written of a series: its values, or the marks that it is over. */
interface Written {
  number(value: number): void;
  native(buckets: ExponentialBuckets, sum: number): void;
}

/** Writes the samples of one metric's series; of a histogram, one for each bucket and two more. */
export class MetricSamples {
  readonly metric: SeriesMetric;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #fields: LabelFields;
  /** Labels by the suffix of the name and the bound of the bucket. */
  readonly #lines = new Map<string, SeriesLabels>();

  /** `labels`: those of all metrics, with other names than this one's. */
  constructor(metric: SeriesMetric, labels: Readonly<Record<string, string>>, fields: LabelFields) {
    this.metric = metric;
    this.#labels = labels;
    this.#fields = fields;
  }

  /** Writes the present values; before those of a new series that only grows, zeros of `zeroMs`. */
  values(slot: number, nowMs: number, zeroMs: number, writer: SeriesWriter): void {
    const hasZero = this.#isNew(slot) && this.metric.spec.type !== 'gauge';
    this.#write(slot, writer, {
      number(value) {
        if (hasZero) writer.sample(0, zeroMs);
        writer.sample(value, nowMs);
      },
      native(buckets, sum) {
        if (hasZero) writer.histogram(zeroOf(buckets), zeroMs);
        writer.histogram(histogramOf(buckets, sum), nowMs);
      },
    });
  }

  /** Writes that a series is over. */
  over(slot: number, timeMs: number, writer: SeriesWriter): void {
    this.#write(slot, writer, {
      number: () => writer.stale(timeMs),
      native: () => writer.histogram(undefined, timeMs),
    });
  }

  #write(slot: number, writer: SeriesWriter, written: Written): void {
    const one = (suffix: string, le: string, write: () => void): void => {
      this.#line(suffix, le).write(slot, writer);
      write();
      writer.close();
    };
    this.metric.read(slot, {
      number: (value) => one('', '', () => written.number(value)),
      histogram(bounds, counts, sum, native) {
        if (native !== undefined) {
          one('', '', () => written.native(native, sum));
          return;
        }
        let total = 0;
        for (const [bucket, count] of counts.entries()) {
          total += count;
          const upTo = total;
          const bound = bounds[bucket];
          const le = bound === undefined ? '+Inf' : String(bound);
          one('_bucket', le, () => written.number(upTo));
        }
        one('_sum', '', () => written.number(sum));
        one('_count', '', () => written.number(total));
      },
    });
  }

  #line(suffix: string, le: string): SeriesLabels {
    const key = suffix + le;
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const name = { __name__: this.metric.spec.name + suffix, le };
    const line = new SeriesLabels(this.metric.group, { ...this.#labels, ...name }, this.#fields);
    this.#lines.set(key, line);
    return line;
  }

  /** Marks a series as sent; true for the first time. */
  #isNew(slot: number): boolean {
    const { beganMs, sentMs } = this.metric.seen;
    const isNew = sentMs[slot] !== beganMs[slot];
    sentMs[slot] = beganMs[slot]!;
    return isNew;
  }
}

function histogramOf(buckets: ExponentialBuckets, sum: number): NativeHistogram {
  const { schema, first, counts, zeros, zeroThreshold } = buckets;
  return { schema, first, counts, zeros, zeroThreshold, sum };
}

function zeroOf({ schema, zeroThreshold }: ExponentialBuckets): NativeHistogram {
  return { schema, zeroThreshold, first: 0, counts: new Float64Array(0), zeros: 0, sum: 0 };
}
