import { type Static, Type } from 'typebox';
import { duration, strictObject, word } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';

const Filter = strictObject(
  {
    key: fieldName('Field that is tested.'),
    value: optionalText(
      'Value or regular expression that the field is compared with. $(Field) stands for the value ' +
        'of another field.',
    ),
    type: word(['equal', 'not_equal', 'presence', 'absence', 'match_regex', 'not_match_regex'], {
      default: 'equal',
      description: 'The test.',
    }),
  },
  { description: 'A test of one field.' },
);

const MetricOptions = strictObject(
  {
    name: Type.String({ minLength: 1, description: 'Name of the metric, without the prefix.' }),
    type: word(['counter', 'gauge', 'histogram', 'agg_histogram'], {
      description: 'Type of the metric. agg_histogram is not supported.',
    }),
    help: optionalText('Help text of the metric. Empty: made from the other options.'),
    filters: Type.Array(Filter, {
      default: [],
      description:
        'Tests that a flow must pass. Tests of the same field are alternatives; those of ' +
        'different fields must all pass.',
    }),
    valueKey: optionalText('Field that is added, set or observed. Empty: every flow counts 1.'),
    labels: Type.Array(fieldName('A field.'), {
      default: [],
      description: 'Fields that become labels.',
    }),
    remap: Type.Record(Type.String(), fieldName('Name of the label.'), {
      default: {},
      description: 'Names of labels by field, where they differ.',
    }),
    flatten: Type.Array(fieldName('A field.'), {
      default: [],
      description: 'List fields of which each element counts on its own.',
    }),
    buckets: Type.Array(Type.Number(), {
      default: [],
      description: 'Upper bounds of the buckets of a histogram. Empty: those of Prometheus.',
    }),
    valueScale: Type.Number({
      default: 1,
      description: 'Divisor of the value, such as 1000 for milliseconds to seconds. 0 means 1.',
    }),
  },
  { description: 'A metric.' },
);

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
export type MetricOptions = Static<typeof MetricOptions>;
export type MetricFilter = Static<typeof Filter>;
