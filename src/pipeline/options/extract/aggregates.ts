import { type Static, Type } from 'typebox';
import { duration, strictObject, word } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';

const Rule = strictObject(
  {
    name: Type.String({ minLength: 1, description: 'Name of the rule, in the field `name`.' }),
    groupByKeys: Type.Array(fieldName('A field.'), {
      default: [],
      description:
        'Fields whose values make a group. Flows without one of them are in no group. Empty: all ' +
        'flows are one group.',
    }),
    operationType: word(['sum', 'min', 'max', 'count', 'avg', 'raw_values'], {
      description:
        'The operation. count counts flows. raw_values only collects values, at most 10000 for a ' +
        'group in five seconds.',
    }),
    operationKey: optionalText('Field with the numbers. Required for all operations but count.'),
    expiryTime: Type.Optional(
      duration({
        description:
          'Time without flows after which a group is forgotten. Absent or 0s: defaultExpiryTime.',
      }),
    ),
  },
  { description: 'A rule: groups of flows, and a result for each.' },
);

export const AggregatesOptions = strictObject(
  {
    defaultExpiryTime: duration({
      default: '2m',
      description: 'Expiry of the groups of rules that have none. 0s: two minutes.',
    }),
    rules: Type.Array(Rule, { minItems: 1, description: 'The rules.' }),
  },
  {
    description:
      'Groups flows and keeps results. Every five seconds, and at the end, it emits a flow for ' +
      'each group of each rule, whether it has changed or not: `name`, `operation_type`, ' +
      '`operation_key`, `by` (the keys), `aggregate` (their values), `total_value`, `total_count`, ' +
      '`recent_op_value`, `recent_count` and `recent_raw_values` (since the last time), each key ' +
      'with its value, and the keys joined by `_` with the values. Values are in the order of ' +
      'the sorted keys, joined by commas. Results without a number are left out, where ' +
      'flowlogs-pipeline emits the greatest or least of all numbers. A stage has at most 100000 ' +
      'groups for each rule; flows of others are counted in ' +
      'pipeline_extractor_rejected_flows_total, as are raw values without room.',
    examples: [
      {
        defaultExpiryTime: '5m',
        rules: [
          {
            name: 'bytes_by_host',
            groupByKeys: ['SrcAddr', 'DstAddr'],
            operationType: 'sum',
            operationKey: 'Bytes',
          },
          { name: 'flows', groupByKeys: ['Proto'], operationType: 'count', expiryTime: '30s' },
        ],
      },
    ],
  },
);

export type AggregatesOptions = Static<typeof AggregatesOptions>;
export type AggregateRule = AggregatesOptions['rules'][number];
