import { formatAddress, parseAddress } from '../../../base/ip.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { type Accepts, ColumnTest } from '../../column-test.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { FilterCondition } from '../../options/transform/filter.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { type Narrow, Selector } from '../select.ts';
import { allOf, notOf } from './expression/row-sets.ts';

/**
 * Filters rows out by one field. Values compare by their text, so 6, "6" and a field of any width
 * are the same number, and an address is the same in any notation.
 */
export function removeEntry(condition: FilterCondition, context: StageContext): Transform {
  const { field, absent, accepts } = conditionOf(condition, context);
  const kept = new ColumnTest(
    field,
    !absent,
    typeof accepts === 'boolean' ? !accepts : (text) => !accepts(text),
  );
  return filtering(`${condition.type} ${field}`, [field], kept.narrow.bind(kept));
}

/** Filters rows out that meet all conditions. */
export function removeAllSatisfied(
  conditions: readonly FilterCondition[],
  context: StageContext,
): Transform {
  const all = allHold(conditions, { ...context, path: `${context.path}.removeEntryAllSatisfied` });
  return filtering('remove_entry_all_satisfied', all.reads, notOf(all.narrow));
}

/** The rows that meet all conditions, which have the path of `context` and their index. */
export function allHold(
  conditions: readonly FilterCondition[],
  context: StageContext,
): { readonly narrow: Narrow; readonly reads: readonly string[] } {
  const tests = conditions.map((condition, index) => {
    const at = { ...context, path: `${context.path}[${index}]` };
    const { field, absent, accepts } = conditionOf(condition, at);
    return new ColumnTest(field, absent, accepts);
  });
  return {
    narrow: allOf(tests.map((test) => test.narrow.bind(test))),
    reads: tests.map(({ field }) => field),
  };
}

/** A transform that only narrows the selection. */
export function filtering(name: string, reads: readonly string[], narrow: Narrow): Transform {
  const selector = new Selector();
  return {
    ...{ kind: 'transform', name, reads, writes: [], filters: true },
    apply: (batch) => selector.apply(batch, narrow),
  };
}

interface Condition {
  readonly field: string;
  readonly absent: boolean;
  readonly accepts: Accepts;
}

function conditionOf({ type, removeEntry }: FilterCondition, context: StageContext): Condition {
  const { input: field, value } = removeEntry;
  if (type === 'remove_entry_if_exists') return { field, absent: false, accepts: true };
  if (type === 'remove_entry_if_doesnt_exist') return { field, absent: true, accepts: false };
  const path = `${context.path}.removeEntry`;
  const kind = context.kindOf(field);
  if (value === undefined) {
    throw configError(PIPELINE_ERRORS.option, `${path}.value`, `is required by ${type}`);
  }
  if (kind === 'list<str>' || kind === 'list<u32>') {
    const problem = `field ${field} is a list, which ${type} cannot compare with one value`;
    throw configError(PIPELINE_ERRORS.fieldKind, `${path}.input`, problem);
  }
  const wanted = canonical(String(value), kind);
  const isEqual = type === 'remove_entry_if_equal';
  return { field, absent: false, accepts: (text) => (text === wanted) === isEqual };
}

/** The text of an equal value in a column of this kind. */
export function canonical(text: string, kind: FieldKind | undefined): string {
  if (kind === 'mac') return text.toLowerCase();
  if (kind !== 'addr') return text;
  const bytes = parseAddress(text);
  return bytes === undefined ? text : formatAddress(bytes);
}
