import {
  FilterOptions,
  type FilterStageRule,
  type RuleOf,
} from '../../options/transform/filter.ts';
import { ConfigProblems } from '../../problems.ts';
import { type StageType, stageType, type Transform } from '../../stage.ts';
import { makeRules, type RuleTable } from '../rules.ts';
import { addField, addFieldIfAbsent, removeField } from './fields.ts';
import { addFieldIf, addRegexIf } from './fields-if.ts';
import { addLabel, addLabelIf } from './labels.ts';
import { removeAllSatisfied, removeEntry } from './remove-entry.ts';
import { conditionalSampling, keepEntries } from './sampling.ts';

/** `keep_entry_query` is made apart: all rules of this type work together, before the others. */
type OrderedRule = Exclude<FilterStageRule, { readonly type: 'keep_entry_query' }>;

const RULES: RuleTable<OrderedRule, undefined> = {
  remove_field: (rule) => removeField(rule.removeField.input),
  add_field: (rule, context) => addField(rule.addField, context),
  add_field_if_doesnt_exist: (rule, at) => addFieldIfAbsent(rule.addFieldIfDoesntExist, at),
  add_field_if: (rule, at) => addFieldIf(rule.addFieldIf, at),
  add_regex_if: (rule, at) => addRegexIf(rule.addRegexIf, at),
  add_label: (rule, at) => addLabel(rule.addLabel, at),
  add_label_if: (rule, at) => addLabelIf(rule.addLabelIf, at),
  remove_entry_if_exists: removeEntry,
  remove_entry_if_doesnt_exist: removeEntry,
  remove_entry_if_equal: removeEntry,
  remove_entry_if_not_equal: removeEntry,
  remove_entry_all_satisfied: (rule, at) => removeAllSatisfied(rule.removeEntryAllSatisfied, at),
  conditional_sampling: (rule, at) => conditionalSampling(rule.conditionalSampling, at),
};

/** Drops flows and fields, adds fields and labels; rules run in order. */
export const filterTransform: StageType = stageType({
  section: 'transform',
  type: 'filter',
  schema: FilterOptions,
  create({ rules, samplingField }, context) {
    const keep: { readonly rule: RuleOf<'keep_entry_query'>; readonly path: string }[] = [];
    const ordered: OrderedRule[] = [];
    for (const [index, rule] of rules.entries()) {
      if (rule.type !== 'keep_entry_query') ordered.push(rule);
      else keep.push({ rule, path: `${context.path}.rules[${index}]` });
    }
    const problems = new ConfigProblems();
    const first = problems.attempt((): readonly Transform[] =>
      keep.length === 0 ? [] : [keepEntries(keep, samplingField, context)],
    );
    const indexOf = (rule: OrderedRule): number => rules.indexOf(rule);
    const others = problems.attempt(() => makeRules(RULES, ordered, context, undefined, indexOf));
    problems.throwAll();
    return [...(first ?? []), ...(others ?? [])];
  },
});
