import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../config/schema.ts';
import { fieldName, optionalText } from './field.ts';

/** Metrics that stages make from flows. */

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

export const MetricOptions = strictObject(
  {
    name: Type.String({ minLength: 1, description: 'Name of the metric, without the prefix.' }),
    type: word(['counter', 'gauge', 'histogram', 'agg_histogram'], {
      description:
        'Type of the metric. agg_histogram is a histogram whose value is a list of numbers, such ' +
        'as recent_raw_values of aggregates.',
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

export type MetricOptions = Static<typeof MetricOptions>;
export type MetricFilter = Static<typeof Filter>;
