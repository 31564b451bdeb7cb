import { FilterOptions, type FilterStageRule } from '../../options/transform/filter.ts';
import { type StageType, stageType } from '../../stage.ts';
import { makeRules, type RuleTable } from '../rules.ts';
import { addField, removeField } from './fields.ts';
import { removeEntry } from './remove-entry.ts';

const RULES: RuleTable<FilterStageRule, undefined> = {
  remove_field: (rule) => removeField(rule.removeField.input),
  add_field: (rule, context) => addField(rule.addField, context),
  remove_entry_if_exists: (rule, at) => removeEntry(rule.type, rule.removeEntry, at),
  remove_entry_if_doesnt_exist: (rule, at) => removeEntry(rule.type, rule.removeEntry, at),
  remove_entry_if_equal: (rule, at) => removeEntry(rule.type, rule.removeEntry, at),
  remove_entry_if_not_equal: (rule, at) => removeEntry(rule.type, rule.removeEntry, at),
};

/** Drops flows and fields, adds constant fields; rules run in order. */
export const filterTransform: StageType = stageType({
  section: 'transform',
  type: 'filter',
  schema: FilterOptions,
  create: (options, context) => makeRules(RULES, options.rules, context, undefined),
});
