import { ByteBuffer } from '../byte-buffer.ts';
import {
  concat,
  field,
  fieldBytes,
  textField,
  writeFixed,
  writeFloat,
  writeHead,
  writeTime,
} from '../wire-writer.ts';
import { fixedAttributes } from './attributes.ts';
import { CUMULATIVE, HISTOGRAM_POINT, METRIC, METRIC_DATA, POINT, REQUEST } from './schema.ts';

export interface MetricHead {
  readonly name: string;
  readonly description: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
}

/** A series at one time; its times are milliseconds since 1970. */
export interface PointHead {
  readonly attributes: Readonly<Record<string, string>>;
  readonly startMs: number;
  readonly timeMs: number;
}

/** Entries of `ScopeMetrics.metrics`, and the data points in them. */
export interface MetricEntries {
  readonly bytes: Uint8Array;
  readonly points: number;
}

/** Room for times, tags and lengths of a point, besides its attributes and buckets. */
const HEAD_BYTES = 96;

const DATA = { counter: METRIC.sum, gauge: METRIC.gauge, histogram: METRIC.histogram } as const;

const TEMPORALITY = Uint8Array.of(METRIC_DATA.temporality, CUMULATIVE);
const MONOTONIC = Uint8Array.of(METRIC_DATA.isMonotonic, 1);
const NOTHING = new Uint8Array(0);

/** `Metric`s with cumulative values, in pieces of a limited size. */
export class MetricWriter {
  readonly #bytesMax: number;
  readonly #take: (entries: MetricEntries) => void;
  readonly #points = new ByteBuffer();
  readonly #point = new ByteBuffer();
  #metric: MetricHead | undefined;
  #count = 0;

  /** A piece is handed to `take` when it has `bytesMax` bytes of points, or its metric ends. */
  constructor(bytesMax: number, take: (entries: MetricEntries) => void) {
    this.#bytesMax = bytesMax;
    this.#take = take;
  }

  /** The points that follow are of this metric. */
  open(metric: MetricHead): void {
    this.end();
    this.#metric = metric;
  }

  /** Adds a point of a counter or a gauge. */
  number(head: PointHead, value: number): void {
    const point = this.#open(head, POINT.attributes, 0);
    point.bytes[point.length++] = POINT.double;
    writeFloat(point, value);
    this.#add();
  }

  /** Adds a point of a histogram; `counts` are not cumulative, and have one more than `bounds`. */
  histogram(head: PointHead, bounds: Float64Array, counts: Float64Array, sum: number): void {
    const room = (bounds.length + counts.length) * 8;
    const point = this.#open(head, HISTOGRAM_POINT.attributes, room);
    point.bytes[point.length++] = HISTOGRAM_POINT.count;
    writeFixed(
      point,
      counts.reduce((total, count) => total + count, 0),
    );
    point.bytes[point.length++] = HISTOGRAM_POINT.sum;
    writeFloat(point, sum);
    writeHead(point, HISTOGRAM_POINT.bucketCounts, counts.length * 8);
    for (const count of counts) writeFixed(point, count);
    writeHead(point, HISTOGRAM_POINT.explicitBounds, bounds.length * 8);
    for (const bound of bounds) writeFloat(point, bound);
    this.#add();
  }

  /** Hands over what has not been handed over. */
  end(): void {
    if (this.#metric === undefined || this.#count === 0) return;
    const { name, description, type } = this.#metric;
    const data = concat(
      this.#points.bytes.subarray(0, this.#points.length),
      type === 'gauge' ? NOTHING : TEMPORALITY,
      type === 'counter' ? MONOTONIC : NOTHING,
    );
    const metric = concat(
      textField(METRIC.name, name),
      textField(METRIC.description, description),
      field(DATA[type], data),
    );
    this.#take({ bytes: field(REQUEST.entries, metric), points: this.#count });
    this.#points.clear();
    this.#count = 0;
  }

  #open({ attributes, startMs, timeMs }: PointHead, tag: number, room: number): ByteBuffer {
    const labels = fixedAttributes(tag, attributes);
    const point = this.#point;
    point.clear();
    point.reserve(HEAD_BYTES + labels.length + room);
    point.copy(labels, 0, labels.length);
    writeTime(point, POINT.start, startMs);
    writeTime(point, POINT.time, timeMs);
    return point;
  }

  #add(): void {
    const point = this.#point;
    this.#points.reserve(fieldBytes(point.length));
    writeHead(this.#points, METRIC_DATA.points, point.length);
    this.#points.copy(point.bytes, 0, point.length);
    this.#count++;
    if (this.#points.length >= this.#bytesMax) this.end();
  }
}
