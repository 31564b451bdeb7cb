import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';
import { fieldName } from '../field.ts';

const Rule = strictObject(
  {
    input: fieldName('Field whose value is taken. A flow without it is left as it is.'),
    output: fieldName('Field that gets the value.'),
    multiplier: Type.Number({
      default: 0,
      description: 'Factor of the value, which must be a number. 0: the value itself.',
    }),
  },
  { description: 'A field and its new name.' },
);

export const GenericOptions = strictObject(
  {
    policy: word(['preserve_original_keys', 'replace_keys'], {
      default: 'preserve_original_keys',
      description:
        'The fields that flows have afterwards: the outputs beside the fields from before ' +
        '(preserve_original_keys), or the outputs alone (replace_keys).',
    }),
    rules: Type.Array(Rule, {
      description:
        'The rules. All of them take values from before the stage, so fields can change places. ' +
        'If several rules have the same output, the last value counts.',
    }),
  },
  {
    description: 'Renames, copies and multiplies fields.',
    examples: [
      {
        policy: 'replace_keys',
        rules: [
          { input: 'SrcAddr', output: 'source' },
          { input: 'DstAddr', output: 'destination' },
          { input: 'TimeFlowRttNs', output: 'rttMs', multiplier: 0.000001 },
        ],
      },
    ],
  },
);

export type GenericOptions = Static<typeof GenericOptions>;
export type GenericRule = Static<typeof Rule>;
