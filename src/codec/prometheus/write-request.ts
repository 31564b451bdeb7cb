import { ByteBuffer, type Output } from '../byte-buffer.ts';
import { doubleBytes, writeDouble } from '../varint.ts';
import { concat, field, textField, writeFloat, writeHead, writeWord } from '../wire-writer.ts';

/** Fields of `WriteRequest` of remote write 1.0, as tags: number and wire type. */
const REQUEST = { timeseries: 0x0a } as const;
const SERIES = { labels: 0x0a, samples: 0x12, histograms: 0x22 } as const;
const LABEL = { name: 0x0a, value: 0x12 } as const;
const SAMPLE = { value: 0x09, timestamp: 0x10 } as const;
const HISTOGRAM = {
  count: 0x08,
  sum: 0x19,
  schema: 0x20,
  zeroThreshold: 0x29,
  zeroCount: 0x30,
  positiveSpans: 0x5a,
  positiveDeltas: 0x62,
  timestamp: 0x78,
} as const;
const SPAN = { offset: 0x08, length: 0x10 } as const;

/** The NaN that marks the end of a series, in two halves: its bits are not those of another NaN. */
const STALE = { low: 2, high: 0x7ff00000 } as const;

/** Most bytes of a tag and a varint of 53 bits. */
const TAGGED_BYTES = 9;
const DOUBLE_BYTES = 8;

/** Observations by buckets whose bounds are the powers of `2 ** 2 ** -schema`. */
export interface NativeHistogram {
  readonly schema: number;
  /** Number of the first bucket. Bucket n has the observations up to the n-th power. */
  readonly first: number;
  readonly counts: Float64Array;
  /** Observations up to this are in no bucket, but in `zeros`. */
  readonly zeroThreshold: number;
  readonly zeros: number;
  readonly sum: number;
}

/** A request, not compressed, and the number of samples in it. */
export interface WriteRequest {
  readonly bytes: Uint8Array;
  readonly samples: number;
}

/** A label for `SeriesWriter`. An empty value means that there is no label. */
export function labelField(name: string, value: string): Uint8Array {
  if (value === '') return new Uint8Array(0);
  return field(SERIES.labels, concat(textField(LABEL.name, name), textField(LABEL.value, value)));
}

/** Writes series with their samples, in requests of a limited size. */
export class SeriesWriter {
  readonly #bytesMax: number;
  readonly #take: (request: WriteRequest) => void;
  readonly #request = new ByteBuffer();
  readonly #series = new ByteBuffer();
  #samples = 0;

  /** A request is handed to `take` when it has `bytesMax` bytes of whole series. */
  constructor(bytesMax: number, take: (request: WriteRequest) => void) {
    this.#bytesMax = bytesMax;
    this.#take = take;
  }

  /** Adds a label to the next series; receivers require them in the order of their names. */
  label(labelled: Uint8Array): void {
    this.#series.reserve(labelled.length);
    this.#series.copy(labelled, 0, labelled.length);
  }

  /** Adds a sample, later than the one before it. */
  sample(value: number, timeMs: number): void {
    this.#head(timeMs);
    writeFloat(this.#series, value);
    writeTagged(this.#series, SAMPLE.timestamp, timeMs);
  }

  /** Adds the mark that the series is over. */
  stale(timeMs: number): void {
    this.#head(timeMs);
    writeStale(this.#series);
    writeTagged(this.#series, SAMPLE.timestamp, timeMs);
  }

  /** The same two for a native histogram; undefined: it is over. */
  histogram(histogram: NativeHistogram | undefined, timeMs: number): void {
    const body = histogramBody(histogram, timeMs);
    this.#series.reserve(TAGGED_BYTES + body.length);
    writeHead(this.#series, SERIES.histograms, body.length);
    this.#series.copy(body, 0, body.length);
    this.#samples++;
  }

  /** Ends the series of the labels and samples so far. */
  close(): void {
    const series = this.#series;
    const request = this.#request;
    request.reserve(TAGGED_BYTES + series.length);
    writeHead(request, REQUEST.timeseries, series.length);
    request.copy(series.bytes, 0, series.length);
    series.clear();
    if (request.length >= this.#bytesMax) this.end();
  }

  /** Hands over what has not been handed over. */
  end(): void {
    if (this.#samples === 0) return;
    const { bytes, length } = this.#request;
    this.#take({ bytes: bytes.slice(0, length), samples: this.#samples });
    this.#request.clear();
    this.#samples = 0;
  }

  /** Begins a sample. */
  #head(timeMs: number): void {
    const series = this.#series;
    series.reserve(2 + 1 + DOUBLE_BYTES + TAGGED_BYTES);
    writeHead(series, SERIES.samples, 1 + DOUBLE_BYTES + 1 + doubleBytes(timeMs));
    series.bytes[series.length++] = SAMPLE.value;
    this.#samples++;
  }
}

function histogramBody(histogram: NativeHistogram | undefined, timeMs: number): Uint8Array {
  const body = new ByteBuffer();
  const { schema, zeroThreshold, zeros, sum, counts } = histogram ?? OVER;
  writeTagged(
    body,
    HISTOGRAM.count,
    counts.reduce((total, count) => total + count, zeros),
  );
  body.bytes[body.length++] = HISTOGRAM.sum;
  if (histogram === undefined) writeStale(body);
  else writeFloat(body, sum);
  writeTagged(body, HISTOGRAM.schema, zigzag(schema));
  body.bytes[body.length++] = HISTOGRAM.zeroThreshold;
  writeFloat(body, zeroThreshold);
  writeTagged(body, HISTOGRAM.zeroCount, zeros);
  if (histogram !== undefined && counts.length > 0) writeBuckets(body, histogram);
  body.reserve(TAGGED_BYTES);
  writeTagged(body, HISTOGRAM.timestamp, timeMs);
  return body.bytes.subarray(0, body.length);
}

const OVER: Omit<NativeHistogram, 'first'> = {
  ...{ schema: 0, zeroThreshold: 0, zeros: 0, sum: 0 },
  counts: new Float64Array(0),
};

/** All buckets are one span; each count is the difference to the one before it. */
function writeBuckets(body: ByteBuffer, { first, counts }: NativeHistogram): void {
  const span = new ByteBuffer();
  writeTagged(span, SPAN.offset, zigzag(first));
  writeTagged(span, SPAN.length, counts.length);
  const deltas = new ByteBuffer();
  deltas.reserve(counts.length * TAGGED_BYTES);
  let before = 0;
  for (const count of counts) {
    deltas.length = writeDouble(deltas.bytes, deltas.length, zigzag(count - before));
    before = count;
  }
  body.reserve(2 * TAGGED_BYTES + span.length + deltas.length);
  writeHead(body, HISTOGRAM.positiveSpans, span.length);
  body.copy(span.bytes, 0, span.length);
  writeHead(body, HISTOGRAM.positiveDeltas, deltas.length);
  body.copy(deltas.bytes, 0, deltas.length);
}

/** Writes a tag of one byte and a varint. The caller has reserved the room. */
function writeTagged(output: Output, tag: number, value: number): void {
  output.bytes[output.length] = tag;
  output.length = writeDouble(output.bytes, output.length + 1, value);
}

function writeStale(output: Output): void {
  writeWord(output.bytes, output.length, STALE.low);
  writeWord(output.bytes, output.length + 4, STALE.high);
  output.length += DOUBLE_BYTES;
}

/** A whole number of either sign as one from 0 on, for a varint. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}
