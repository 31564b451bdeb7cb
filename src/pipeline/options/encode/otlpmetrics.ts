import { type Static, Type } from 'typebox';
import { duration, strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';
import { MetricOptions } from '../metric.ts';
import { OTLP_CONNECTION } from '../otlp.ts';

export const OtlpMetricsOptions = strictObject(
  {
    ...OTLP_CONNECTION,
    prefix: optionalText('Prefix of the names of the metrics.'),
    pushTimeInterval: duration({
      default: '20s',
      description: 'Time between two transmissions of all series.',
    }),
    expiryTime: duration({
      default: '2m',
      description:
        'Time without flows after which a series is no longer sent. It is remembered ten times as ' +
        'long: its counter continues if flows come back by then, and else restarts.',
    }),
    metrics: Type.Array(MetricOptions, { description: 'The metrics.' }),
  },
  {
    description:
      'Aggregates flows to metrics and sends them by the OpenTelemetry protocol, with cumulative ' +
      'values: a transmission that fails loses nothing that the next one does not contain.',
    examples: [
      {
        address: 'otel-collector',
        port: 4317,
        connectionType: 'grpc',
        prefix: 'netobserv_',
        metrics: [
          {
            name: 'bytes_total',
            type: 'counter',
            valueKey: 'Bytes',
            labels: ['SrcAddr', 'DstAddr'],
          },
        ],
      },
    ],
  },
);

export type OtlpMetricsOptions = Static<typeof OtlpMetricsOptions>;
