import { type Static, Type } from 'typebox';
import { strictObject, typed } from '../../../config/schema.ts';
import { fieldName } from '../field.ts';

function constant(description: string) {
  return Type.Union([Type.String(), Type.Number(), Type.Boolean()], { description });
}

const castInt = Type.Optional(
  Type.Boolean({
    description:
      'Accepted for configurations of flowlogs-pipeline. Numbers always compare by value.',
  }),
);

const RemoveEntry = strictObject(
  {
    input: fieldName('Field that is tested.'),
    value: Type.Optional(
      constant('Value that the field is compared with. The tests for equality require it.'),
    ),
    castInt,
  },
  { description: 'The test.' },
);

const AddField = strictObject(
  {
    input: fieldName('Field that is set.'),
    value: constant('Value of the field. It must fit the type of a field that exists.'),
    castInt,
  },
  { description: 'The field and its value.' },
);

const RemoveField = strictObject(
  { input: fieldName('Field that is removed.') },
  { description: 'The field.' },
);

const Rule = Type.Union([
  typed('remove_field', { removeField: RemoveField }, 'Removes a field from every flow.'),
  typed('remove_entry_if_exists', { removeEntry: RemoveEntry }, 'Drops flows that have the field.'),
  typed(
    'remove_entry_if_doesnt_exist',
    { removeEntry: RemoveEntry },
    'Drops flows that do not have the field.',
  ),
  typed(
    'remove_entry_if_equal',
    { removeEntry: RemoveEntry },
    'Drops flows in which the field has the value.',
  ),
  typed(
    'remove_entry_if_not_equal',
    { removeEntry: RemoveEntry },
    'Drops flows in which the field has another value.',
  ),
  typed('add_field', { addField: AddField }, 'Sets a field of every flow to a constant.'),
]);

export const FilterOptions = strictObject(
  { rules: Type.Array(Rule, { description: 'The rules, in the order in which they run.' }) },
  {
    description: 'Drops flows, removes fields and adds constant fields.',
    examples: [
      {
        rules: [
          { type: 'remove_entry_if_equal', removeEntry: { input: 'Proto', value: 1 } },
          { type: 'remove_field', removeField: { input: 'SrcMac' } },
          { type: 'add_field', addField: { input: 'K8S_ClusterName', value: 'east' } },
        ],
      },
    ],
  },
);

export type FilterStageRule = Static<typeof Rule>;
