import { type Static, Type } from 'typebox';
import { strictObject, typed } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';

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

const Condition = Type.Union(
  [
    typed('remove_entry_if_exists', { removeEntry: RemoveEntry }, 'The flow has the field.'),
    typed(
      'remove_entry_if_doesnt_exist',
      { removeEntry: RemoveEntry },
      'The flow lacks the field.',
    ),
    typed('remove_entry_if_equal', { removeEntry: RemoveEntry }, 'The field has the value.'),
    typed(
      'remove_entry_if_not_equal',
      { removeEntry: RemoveEntry },
      'The field has another value.',
    ),
  ],
  { description: 'A condition.' },
);

const KeepEntryQuery = Type.String({
  minLength: 1,
  description:
    'A condition such as `SrcK8S_Namespace="prod" and (DstPort=443 or with(DnsId))`. ' +
    '`or` binds tighter than `and`.',
});

const KeepEntrySampling = Type.Integer({
  minimum: 0,
  maximum: 65_535,
  default: 0,
  description: 'Keeps 1 in so many of the flows that meet the condition, by chance. 0: all.',
});

const ConditionalSampling = strictObject(
  {
    value: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      description: 'Keeps 1 flow in so many, by chance. 0: all.',
    }),
    rules: Type.Array(Condition, { description: 'The conditions, which must all hold.' }),
  },
  { description: 'Conditions, and the rate of flows that meet them.' },
);

const Parameters = Type.String({
  minLength: 1,
  description:
    "Comparison with the value: `>10`, `=='tcp'`, `>=1 && <=10`. Operators are ==, !=, >, <, " +
    '>=, <=, && and ||.',
});

const Assignee = optionalText('Text that the output gets. Empty: the value of the input.');

const AddFieldIf = strictObject(
  {
    input: fieldName('Field whose value is compared.'),
    output: fieldName(
      'Field that is set. A second field, with `_Evaluate` behind the name, becomes true.',
    ),
    parameters: Parameters,
    assignee: Assignee,
  },
  { description: 'The comparison and the field.' },
);

const AddRegexIf = strictObject(
  {
    input: fieldName('Field whose text is matched.'),
    output: fieldName(
      'Field that gets the value. A second field, with `_Matched` behind the name, becomes true.',
    ),
    parameters: Type.String({
      minLength: 1,
      description: 'Regular expression in the syntax of Go. It may match any part of the text.',
    }),
  },
  { description: 'The regular expression and the field.' },
);

const AddLabel = strictObject(
  {
    input: Type.String({ minLength: 1, description: 'Name of the label.' }),
    value: constant('Value of the label.'),
    castInt,
  },
  { description: 'The label.' },
);

const AddLabelIf = strictObject(
  {
    input: fieldName('Field whose value is compared.'),
    output: Type.String({ minLength: 1, description: 'Name of the label.' }),
    parameters: Parameters,
    assignee: Assignee,
  },
  { description: 'The comparison and the label.' },
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
  typed(
    'remove_entry_all_satisfied',
    {
      removeEntryAllSatisfied: Type.Array(Condition, {
        minItems: 1,
        description: 'The conditions, which must all hold.',
      }),
    },
    'Drops flows that meet several conditions.',
  ),
  typed(
    'keep_entry_query',
    { keepEntryQuery: KeepEntryQuery, keepEntrySampling: KeepEntrySampling },
    'Keeps flows that meet a condition. These rules run before all others: a flow that meets none ' +
      'of them is dropped.',
  ),
  typed(
    'conditional_sampling',
    {
      conditionalSampling: Type.Array(ConditionalSampling, {
        description: 'The rates. The first whose conditions all hold applies.',
      }),
    },
    'Drops some of the flows, by chance.',
  ),
  typed('add_field', { addField: AddField }, 'Sets a field of every flow to a constant.'),
  typed(
    'add_field_if_doesnt_exist',
    { addFieldIfDoesntExist: AddField },
    'Sets a field of the flows that lack it to a constant.',
  ),
  typed('add_field_if', { addFieldIf: AddFieldIf }, 'Sets a field if another one compares well.'),
  typed('add_regex_if', { addRegexIf: AddRegexIf }, 'Sets a field if the text of another matches.'),
  typed('add_label', { addLabel: AddLabel }, 'Adds a label to the field `labels`.'),
  typed(
    'add_label_if',
    { addLabelIf: AddLabelIf },
    'Adds a label to the field `labels` if a field compares well.',
  ),
]);

export const FilterOptions = strictObject(
  {
    rules: Type.Array(Rule, { description: 'The rules, in the order in which they run.' }),
    samplingField: optionalText(
      'Field with the sampling rate of a flow, which keepEntrySampling multiplies. Empty: none.',
    ),
  },
  {
    description: 'Drops flows, removes fields and adds fields and labels.',
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
export type FilterCondition = Static<typeof Condition>;
export type RuleOf<Type extends FilterStageRule['type']> = Extract<
  FilterStageRule,
  { readonly type: Type }
>;
