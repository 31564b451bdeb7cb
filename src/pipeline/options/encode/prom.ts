import { type Static, Type } from 'typebox';
import { duration, strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';
import { MetricOptions } from '../metric.ts';

const Tls = strictObject(
  {
    certPath: Type.String({ description: 'File with the certificate, in PEM.' }),
    keyPath: Type.String({ description: 'File with the key of the certificate, in PEM.' }),
  },
  { description: 'Certificate of the stage’s own server. Without it the server speaks HTTP.' },
);

export const PromOptions = strictObject(
  {
    address: optionalText('Address of the stage’s own server. Empty: all addresses.'),
    port: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      default: 0,
      description: 'Port of the stage’s own server. 0: metrics are on the shared server.',
    }),
    tls: Type.Optional(Tls),
    prefix: optionalText('Prefix of the names of the metrics.'),
    expiryTime: duration({
      default: '2m',
      description: 'Time without flows after which a series is removed. Its counter then restarts.',
    }),
    maxMetrics: Type.Integer({
      minimum: 0,
      default: 0,
      description: 'Limit on the series of all metrics of the stage. 0: the built-in limit.',
    }),
    metrics: Type.Array(MetricOptions, { description: 'The metrics.' }),
  },
  {
    description: 'Aggregates flows to metrics and serves them to Prometheus.',
    examples: [
      {
        prefix: 'netobserv_',
        expiryTime: '5m',
        metrics: [
          {
            name: 'ingress_bytes_total',
            type: 'counter',
            help: 'Bytes received, by protocol.',
            valueKey: 'Bytes',
            labels: ['AgentIP', 'Proto'],
            remap: { Proto: 'protocol' },
            filters: [{ key: 'Proto', value: '1', type: 'not_equal' }],
          },
          {
            name: 'rtt_seconds',
            type: 'histogram',
            valueKey: 'TimeFlowRttNs',
            valueScale: 1_000_000_000,
            buckets: [0.001, 0.01, 0.1, 1],
            filters: [{ key: 'TimeFlowRttNs', type: 'presence' }],
          },
        ],
      },
    ],
  },
);

export type PromOptions = Static<typeof PromOptions>;
