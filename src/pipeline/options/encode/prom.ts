import { type Static, Type } from 'typebox';
import { duration, strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';
import { MetricOptions } from '../metric.ts';
import { RemoteWrite } from '../remote-write.ts';

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
    tokenPath: optionalText(
      'File with a token that readers of the stage’s own server must send, as in metricsSettings.',
    ),
    prefix: optionalText('Prefix of the names of the metrics.'),
    expiryTime: duration({
      default: '2m',
      description:
        'Time without flows after which a series is no longer shown. It is remembered ten times as ' +
        'long: its counter continues if flows come back by then, and else restarts, as that of ' +
        'flowlogs-pipeline does at once.',
    }),
    maxMetrics: Type.Integer({
      minimum: 0,
      default: 0,
      description:
        'Limit on the series of all metrics of the stage. 0: a million. Samples of further series ' +
        'go to one series of their metric, beyond the limit, whose labels are all `other`: sums ' +
        'stay right, a gauge has the last of them, and metrics_dropped counts these samples. ' +
        'flowlogs-pipeline drops them.',
    }),
    remoteWrite: Type.Optional(RemoteWrite),
    metrics: Type.Array(MetricOptions, { description: 'The metrics.' }),
  },
  {
    description:
      'Aggregates flows to metrics, serves them to Prometheus, and sends them there if told so.',
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
        remoteWrite: {
          url: 'https://prometheus:9090/api/v1/write',
          externalLabels: { instance: 'host-1' },
          nativeHistograms: true,
        },
      },
    ],
  },
);

export type PromOptions = Static<typeof PromOptions>;
