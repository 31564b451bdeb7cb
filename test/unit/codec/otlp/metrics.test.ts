import { describe, expect, test } from 'vitest';
import { type MetricEntries, MetricWriter } from '../../../../src/codec/otlp/metrics.ts';
import { RequestWriter } from '../../../../src/codec/otlp/request.ts';
import { decodeMetrics, type Metric, plainAttributes } from '../../../support/codec/otlp-schema.ts';

const head = (SrcAddr: string) => ({
  attributes: { SrcAddr, empty: '' },
  startMs: 1_764_500_000_000,
  timeMs: 1_764_500_020_000,
});

/** The metrics that a third-party decoder reads from the pieces of a writer. */
function written(
  write: (writer: MetricWriter) => void,
  bytesMax = 2 ** 20,
): { metrics: readonly Metric[]; points: readonly number[] } {
  const pieces: MetricEntries[] = [];
  const writer = new MetricWriter(bytesMax, (piece) => pieces.push(piece));
  write(writer);
  writer.end();
  const frame = new RequestWriter({ resource: {}, scope: 's' });
  const metrics = pieces.flatMap(({ bytes }) => decodeMetrics(frame.write(bytes, 0, bytes.length)));
  return { metrics, points: pieces.map(({ points }) => points) };
}

describe('metrics', () => {
  test('a counter is a cumulative, monotonic sum', () => {
    const { metrics } = written((writer) => {
      writer.open({ name: 'bytes_total', description: 'Bytes.', type: 'counter' });
      writer.number(head('10.0.0.1'), 12.5);
      writer.number(head('10.0.0.2'), 2 ** 53);
    });
    const [metric] = metrics;
    expect(metrics).toHaveLength(1);
    expect(metric).toMatchObject({ name: 'bytes_total', description: 'Bytes.', data: 'sum' });
    expect(metric!.sum).toMatchObject({ aggregationTemporality: 2, isMonotonic: true });
    const [first, second] = metric!.sum.dataPoints;
    expect([first!.asDouble, second!.asDouble]).toEqual([12.5, 2 ** 53]);
    expect(plainAttributes(first!.attributes)).toEqual({ SrcAddr: '10.0.0.1', empty: '' });
    expect(String(first!.startTimeUnixNano)).toBe('1764500000000000000');
    expect(String(first!.timeUnixNano)).toBe('1764500020000000000');
  });

  test('a gauge has the last value', () => {
    const { metrics } = written((writer) => {
      writer.open({ name: 'sampling', description: '', type: 'gauge' });
      writer.number(head('10.0.0.1'), -3);
    });
    expect(metrics[0]).toMatchObject({ data: 'gauge' });
    expect(metrics[0]!.gauge.dataPoints[0]!.asDouble).toBe(-3);
  });

  test('a histogram has a count for each bucket, and one above all', () => {
    const { metrics } = written((writer) => {
      writer.open({ name: 'rtt_seconds', description: 'RTT.', type: 'histogram' });
      writer.histogram(head('10.0.0.1'), Float64Array.of(0.1, 1), Float64Array.of(3, 0, 2), 7.5);
    });
    const [metric] = metrics;
    expect(metric).toMatchObject({ data: 'histogram' });
    expect(metric!.histogram.aggregationTemporality).toBe(2);
    const [point] = metric!.histogram.dataPoints;
    expect(String(point!.count)).toBe('5');
    expect(point!.sum).toBe(7.5);
    expect(point!.bucketCounts.map(String)).toEqual(['3', '0', '2']);
    expect(point!.explicitBounds).toEqual([0.1, 1]);
    expect(plainAttributes(point!.attributes)).toEqual({ SrcAddr: '10.0.0.1', empty: '' });
  });

  test('a metric without points is not written', () => {
    const { metrics } = written((writer) => {
      writer.open({ name: 'none', description: '', type: 'counter' });
      writer.open({ name: 'one', description: '', type: 'counter' });
      writer.number(head('a'), 1);
      writer.open({ name: 'other', description: '', type: 'counter' });
    });
    expect(metrics.map(({ name }) => name)).toEqual(['one']);
  });

  test('many points are divided among pieces, and all are there', () => {
    const { metrics, points } = written((writer) => {
      for (const name of ['a', 'b']) {
        writer.open({ name, description: '', type: 'counter' });
        for (let i = 0; i < 1000; i++) writer.number(head(`10.0.0.${i}`), i);
      }
    }, 10_000);
    expect(points.length).toBeGreaterThan(8);
    expect(points.reduce((sum, count) => sum + count)).toBe(2000);
    for (const name of ['a', 'b']) {
      const own = metrics.filter((metric) => metric.name === name);
      const values = own.flatMap(({ sum }) => sum.dataPoints.map(({ asDouble }) => asDouble));
      expect(values).toEqual(Array.from({ length: 1000 }, (_, index) => index));
    }
  });
});
