import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Operational metrics of the program itself. Components declare theirs in one file each
 * (`metrics.ts`) through this façade, which adds the prefix; flow metrics made from traffic are
 * kept elsewhere, in integer-keyed accumulators, and only exposed through `register`.
 */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
}

export function createMetrics(prefix: string, registry = new Registry()): Metrics {
  const registers = [registry];
  return {
    registry,
    counter: (name, help, labels = []) =>
      new Counter({ name: prefix + name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) =>
      new Gauge({ name: prefix + name, help, labelNames: [...labels], registers }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({
        name: prefix + name,
        help,
        buckets: [...buckets],
        labelNames: [...labels],
        registers,
      }),
  };
}
