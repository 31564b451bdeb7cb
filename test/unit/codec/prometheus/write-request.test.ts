import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  labelField,
  type NativeHistogram,
  SeriesWriter,
  type WriteRequest,
} from '../../../../src/codec/prometheus/write-request.ts';
import { decodeWriteRequest } from '../../../support/codec/remote-write-schema.ts';

const NOW_MS = 1_700_000_000_000;

function requestsOf(bytesMax: number, write: (writer: SeriesWriter) => void) {
  const requests: WriteRequest[] = [];
  const writer = new SeriesWriter(bytesMax, (request) => requests.push(request));
  write(writer);
  writer.end();
  return requests;
}

const label = fc.record({ name: fc.stringMatching(/^[a-z]{1,9}$/), value: fc.string() });
const sample = fc.record({
  value: fc.double({ noNaN: true }),
  timestamp: fc.integer({ min: 0, max: 2 ** 43 }),
});
const series = fc.record({
  labels: fc.array(label, { maxLength: 5 }),
  samples: fc.array(sample, { minLength: 1, maxLength: 3 }),
});

test('any series: an independent decoder reads what was written, in requests within the limit', () => {
  fc.assert(
    fc.property(fc.array(series), fc.integer({ min: 1, max: 500 }), (all, bytesMax) => {
      const requests = requestsOf(bytesMax, (writer) => {
        for (const { labels, samples } of all) {
          for (const { name, value } of labels) writer.label(labelField(name, value));
          for (const { value, timestamp } of samples) writer.sample(value, timestamp);
          writer.close();
        }
      });
      const read = requests.flatMap(({ bytes }) => decodeWriteRequest(bytes));
      expect(read).toEqual(
        all.map(({ labels, samples }) => ({
          labels: labels.filter(({ value }) => value !== ''),
          samples,
          histograms: [],
        })),
      );
      for (const { bytes, samples } of requests) {
        const own = decodeWriteRequest(bytes);
        expect(samples).toBe(own.reduce((sum, one) => sum + one.samples.length, 0));
        // Only its last series may cross the limit.
        const allButLast = requestsOf(Number.MAX_VALUE, (writer) => {
          for (const { labels, samples: few } of own.slice(0, -1)) {
            for (const { name, value } of labels) writer.label(labelField(name, value));
            for (const { value, timestamp } of few) writer.sample(value, timestamp);
            writer.close();
          }
        });
        expect(allButLast[0]?.bytes.length ?? 0).toBeLessThan(bytesMax);
      }
    }),
  );
});

const histogram: fc.Arbitrary<NativeHistogram> = fc.record({
  schema: fc.integer({ min: -4, max: 8 }),
  first: fc.integer({ min: -2000, max: 2000 }),
  counts: fc
    .array(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 160 })
    .map((counts) => Float64Array.from(counts)),
  zeroThreshold: fc.constant(2 ** -128),
  zeros: fc.integer({ min: 0, max: 2 ** 40 }),
  sum: fc.double({ noNaN: true }),
});

test('any native histogram', () => {
  fc.assert(
    fc.property(histogram, (wanted) => {
      const [request] = requestsOf(1, (writer) => {
        writer.histogram(wanted, NOW_MS);
        writer.close();
      });
      const [read] = decodeWriteRequest(request!.bytes)[0]!.histograms;
      let before = 0;
      const counts = read!.positiveDeltas.map((delta) => {
        before += delta;
        return before;
      });
      expect(counts).toEqual([...wanted.counts]);
      const total = counts.reduce((sum, count) => sum + count, wanted.zeros);
      expect(read).toMatchObject({
        schema: wanted.schema,
        count: total,
        sum: wanted.sum,
        zeroCount: wanted.zeros,
        zeroThreshold: wanted.zeroThreshold,
        timestamp: NOW_MS,
        positiveSpans: counts.length === 0 ? [] : [{ offset: wanted.first, length: counts.length }],
      });
    }),
  );
});

test('the mark of the end has the bits that Prometheus looks for', () => {
  const [request] = requestsOf(1000, (writer) => {
    writer.stale(NOW_MS);
    writer.histogram(undefined, NOW_MS);
    writer.close();
  });
  const hex = Buffer.from(request!.bytes).toString('hex');
  // The double 0x7ff0000000000002, little-endian, as a sample's value and as a histogram's sum.
  expect(hex.match(/(09|19)020000000000f07f/g)).toEqual([
    '09020000000000f07f',
    '19020000000000f07f',
  ]);
  expect(decodeWriteRequest(request!.bytes)[0]!.samples[0]!.value).toBeNaN();
});
