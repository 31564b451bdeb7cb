import { type Static, Type } from 'typebox';
import { Duration } from '../../parse.ts';

const strict = { additionalProperties: false } as const;
const Field = Type.String({ minLength: 1 });

const Filter = Type.Object(
  {
    key: Field,
    value: Type.String({ default: '' }),
    type: Type.Union(
      [
        Type.Literal('equal'),
        Type.Literal('not_equal'),
        Type.Literal('presence'),
        Type.Literal('absence'),
        Type.Literal('match_regex'),
        Type.Literal('not_match_regex'),
      ],
      { default: 'equal' },
    ),
  },
  strict,
);

const MetricOptions = Type.Object(
  {
    name: Field,
    type: Type.Union([
      Type.Literal('counter'),
      Type.Literal('gauge'),
      Type.Literal('histogram'),
      Type.Literal('agg_histogram'),
    ]),
    help: Type.String({ default: '' }),
    filters: Type.Array(Filter, { default: [] }),
    /** Field that is added, set or observed; empty: every flow counts 1. */
    valueKey: Type.String({ default: '' }),
    labels: Type.Array(Field, { default: [] }),
    /** Label name for a field name. */
    remap: Type.Record(Type.String(), Field, { default: {} }),
    /** List fields of which every element counts by itself. */
    flatten: Type.Array(Field, { default: [] }),
    buckets: Type.Array(Type.Number(), { default: [] }),
    /** The value is divided by this, unless it is 0. */
    valueScale: Type.Number({ default: 1 }),
  },
  strict,
);

export const PromOptions = Type.Object(
  {
    /** With a port the stage has a server of its own; else its metrics are on the shared one. */
    address: Type.String({ default: '' }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 0 }),
    tls: Type.Optional(Type.Object({ certPath: Type.String(), keyPath: Type.String() }, strict)),
    prefix: Type.String({ default: '' }),
    /** A series that saw no flow for so long is forgotten; its counter would begin at 0 again. */
    expiryTime: Duration('2m'),
    /** Series over all metrics of the stage; 0: the built-in bound. */
    maxMetrics: Type.Integer({ minimum: 0, default: 0 }),
    metrics: Type.Array(MetricOptions),
  },
  strict,
);

export type PromOptions = Static<typeof PromOptions>;
export type MetricOptions = Static<typeof MetricOptions>;
export type MetricFilter = Static<typeof Filter>;
