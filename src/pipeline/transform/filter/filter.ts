import { type Static, Type } from 'typebox';
import { type StageContext, type StageType, stageType, type Transform } from '../../stage.ts';
import { makeRules } from '../rules.ts';
import { addField, removeField } from './fields.ts';
import { removeEntry } from './remove-entry.ts';

const strict = { additionalProperties: false } as const;
const Field = Type.String({ minLength: 1 });
const Value = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);
/** Accepted for configurations written for the original; numbers compare by value here anyway. */
const castInt = Type.Optional(Type.Boolean());

const RemoveEntry = Type.Object({ input: Field, value: Type.Optional(Value), castInt }, strict);

function removeRule<const Name extends string>(name: Name) {
  return Type.Object({ type: Type.Literal(name), removeEntry: RemoveEntry }, strict);
}

const Rule = Type.Union([
  Type.Object(
    { type: Type.Literal('remove_field'), removeField: Type.Object({ input: Field }, strict) },
    strict,
  ),
  removeRule('remove_entry_if_exists'),
  removeRule('remove_entry_if_doesnt_exist'),
  removeRule('remove_entry_if_equal'),
  removeRule('remove_entry_if_not_equal'),
  Type.Object(
    {
      type: Type.Literal('add_field'),
      addField: Type.Object({ input: Field, value: Value, castInt }, strict),
    },
    strict,
  ),
]);

type Rule = Static<typeof Rule>;

/** Drops flows and fields, adds constant ones; rules run in order. */
export const filterTransform: StageType = stageType({
  section: 'transform',
  type: 'filter',
  schema: Type.Object({ rules: Type.Array(Rule) }, strict),
  create: (options, context) => makeRules(options.rules, context, makeRule),
});

function makeRule(rule: Rule, context: StageContext): Transform {
  switch (rule.type) {
    case 'remove_field':
      return removeField(rule.removeField.input);
    case 'add_field':
      return addField(rule.addField, context);
    default:
      return removeEntry(rule.type, rule.removeEntry, context);
  }
}
