import { parseExpression } from '../../../../src/pipeline/transform/filter/expression/parse.ts';
import { holds } from './conditions.ts';
import type { Row } from './rows.ts';
import type { RowStage } from './stages.ts';

interface Condition {
  readonly type: string;
  readonly removeEntry: { readonly input: string; readonly value?: unknown };
}

interface If {
  readonly input: string;
  readonly output: string;
  readonly parameters: string;
  readonly assignee?: string;
}

interface FilterRule {
  readonly type: string;
  readonly removeField: { readonly input: string };
  readonly addField: { readonly input: string; readonly value: unknown };
  readonly addFieldIfDoesntExist: { readonly input: string; readonly value: unknown };
  readonly addFieldIf: If;
  readonly addRegexIf: If;
  readonly addLabel: { readonly input: string; readonly value: unknown };
  readonly addLabelIf: If;
  readonly removeEntryAllSatisfied: readonly Condition[];
  readonly keepEntryQuery: string;
  readonly keepEntrySampling?: number;
  readonly conditionalSampling: readonly { readonly value: number; readonly rules: Condition[] }[];
}

/** Sampling keeps 1 in 1 only: the pipelines of tests always draw the middle number. */
export function filterStage(options: { readonly rules: readonly FilterRule[] }): RowStage {
  const keep = options.rules.filter(({ type }) => type === 'keep_entry_query');
  return (row) => {
    const isKept = keep.some(
      ({ keepEntryQuery, keepEntrySampling = 0 }) =>
        keepEntrySampling <= 1 && holds(parseExpression(keepEntryQuery), row),
    );
    if (keep.length > 0 && !isKept) return undefined;
    let current: Row = row;
    for (const rule of options.rules) {
      const next = applyFilter(current, rule);
      if (next === undefined) return undefined;
      current = next;
    }
    return current;
  };
}

function applyFilter(row: Row, rule: FilterRule): Row | undefined {
  switch (rule.type) {
    case 'keep_entry_query':
      return row;
    case 'remove_field': {
      const { [rule.removeField.input]: _removed, ...rest } = row;
      return rest;
    }
    case 'add_field':
      return { ...row, [rule.addField.input]: rule.addField.value };
    case 'add_field_if_doesnt_exist': {
      const { input, value } = rule.addFieldIfDoesntExist;
      return row[input] === undefined ? { ...row, [input]: value } : row;
    }
    case 'add_field_if': {
      const { input, output, assignee = '' } = rule.addFieldIf;
      if (!isMet(rule.addFieldIf, row)) return row;
      const value = assignee === '' ? row[input] : assignee;
      return { ...row, [output]: value, [`${output}_Evaluate`]: true };
    }
    case 'add_regex_if': {
      const { input, output, parameters } = rule.addRegexIf;
      const matches = [row[input] ?? []]
        .flat()
        .some((value) => new RegExp(parameters).test(String(value)));
      return matches ? { ...row, [output]: row[input], [`${output}_Matched`]: true } : row;
    }
    case 'add_label':
      return labelled(row, rule.addLabel.input, rule.addLabel.value);
    case 'add_label_if': {
      const { input, output, assignee = '' } = rule.addLabelIf;
      if (!isMet(rule.addLabelIf, row)) return row;
      return labelled(row, output, assignee === '' ? row[input] : assignee);
    }
    case 'remove_entry_all_satisfied':
      return rule.removeEntryAllSatisfied.every((one) => isTrue(one, row)) ? undefined : row;
    case 'conditional_sampling': {
      const first = rule.conditionalSampling.find(({ rules }) =>
        rules.every((one) => isTrue(one, row)),
      );
      return first !== undefined && first.value > 1 ? undefined : row;
    }
    default:
      return isTrue(rule as unknown as Condition, row) ? undefined : row;
  }
}

function labelled(row: Row, name: string, value: unknown): Row {
  const label = `${name}=${String(value)}`;
  return { ...row, labels: row.labels === undefined ? label : `${String(row.labels)},${label}` };
}

function isTrue({ type, removeEntry: { input, value: wanted } }: Condition, row: Row): boolean {
  const value = row[input];
  const equal = value !== undefined && String(value) === String(wanted);
  switch (type) {
    case 'remove_entry_if_exists':
      return value !== undefined;
    case 'remove_entry_if_doesnt_exist':
      return value === undefined;
    case 'remove_entry_if_equal':
      return equal;
    default:
      return value !== undefined && !equal;
  }
}

/** `val` and what stands behind it, as a condition of JavaScript. */
function isMet({ input, parameters }: If, row: Row): boolean {
  const value = row[input];
  if (value === undefined) return false;
  const condition = parameters
    .split(/(&&|\|\|)/)
    .map((part) => (part === '&&' || part === '||' ? part : `val ${part.replace('val', '')}`))
    .join(' ');
  return Boolean(new Function('val', `return ${condition}`)(value));
}
