import { FilterOptions, type FilterRule } from '../../options/transform/filter.ts';
import { type StageContext, type StageType, stageType, type Transform } from '../../stage.ts';
import { makeRules } from '../rules.ts';
import { addField, removeField } from './fields.ts';
import { removeEntry } from './remove-entry.ts';

/** Drops flows and fields, adds constant ones; rules run in order. */
export const filterTransform: StageType = stageType({
  section: 'transform',
  type: 'filter',
  schema: FilterOptions,
  create: (options, context) => makeRules(options.rules, context, makeRule),
});

function makeRule(rule: FilterRule, context: StageContext): Transform {
  switch (rule.type) {
    case 'remove_field':
      return removeField(rule.removeField.input);
    case 'add_field':
      return addField(rule.addField, context);
    default:
      return removeEntry(rule.type, rule.removeEntry, context);
  }
}
