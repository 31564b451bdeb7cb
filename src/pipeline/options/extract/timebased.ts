import { type Static, Type } from 'typebox';
import { duration, strictObject, word } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';

const Rule = strictObject(
  {
    name: Type.String({ minLength: 1, description: 'Name of the rule, in the field `name`.' }),
    indexKeys: Type.Array(fieldName('A field.'), {
      default: [],
      description:
        'Fields whose values make a group. Flows without one of them, or with an empty text there, ' +
        'are in no group.',
    }),
    indexKey: optionalText(
      'One field instead of indexKeys, as in old configurations of flowlogs-pipeline.',
    ),
    operationType: word(['sum', 'avg', 'min', 'max', 'count', 'last', 'diff'], {
      description:
        'The operation over the flows of the window. count counts flows; diff is the last number ' +
        'minus the first one.',
    }),
    operationKey: optionalText('Field with the numbers. Required for all operations but count.'),
    topK: Type.Integer({
      minimum: 0,
      default: 0,
      description: 'Number of groups that are emitted, those with the greatest results. 0: all.',
    }),
    reversed: Type.Boolean({
      default: false,
      description: 'The least results instead of the greatest.',
    }),
    timeInterval: duration({ description: 'Length of the window, which ends at the present.' }),
  },
  { description: 'A rule: a window, groups of its flows, and a result for each.' },
);

export const TimebasedOptions = strictObject(
  { rules: Type.Array(Rule, { minItems: 1, description: 'The rules.' }) },
  {
    description:
      'Ranks groups of flows by a result over the last time. Every five seconds, and at the end, ' +
      'it emits a flow for each of the first groups of each rule, in their order: `name`, ' +
      '`index_key` (the keys joined by commas), `operation`, the result under operationKey (of ' +
      'count, without one, under `count`), and each key with its value. Groups whose flows have ' +
      'all left the window, or have no number, are left out. A window has at most 1000000 flows, ' +
      'and a rule 100000 groups; further flows are counted in ' +
      'pipeline_extractor_rejected_flows_total, as are the oldest ones of a full window, which ' +
      'leave it early.',
    examples: [
      {
        rules: [
          {
            name: 'top_sources',
            indexKeys: ['SrcAddr'],
            operationType: 'sum',
            operationKey: 'Bytes',
            topK: 10,
            timeInterval: '1m',
          },
        ],
      },
    ],
  },
);

export type TimebasedOptions = Static<typeof TimebasedOptions>;
export type TimebasedRule = TimebasedOptions['rules'][number];
