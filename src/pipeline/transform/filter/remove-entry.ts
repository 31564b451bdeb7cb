import { formatAddress, parseAddress } from '../../../base/ip.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { ColumnTest } from '../../column-test.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { Selector } from '../select.ts';

export type RemoveEntryType =
  | 'remove_entry_if_exists'
  | 'remove_entry_if_doesnt_exist'
  | 'remove_entry_if_equal'
  | 'remove_entry_if_not_equal';

export interface RemoveEntry {
  readonly input: string;
  readonly value?: string | number | boolean;
}

/**
 * Filters rows out by one field. Values compare by their text, so 6, "6" and a field of any width
 * are the same number, and an address is the same in any notation.
 */
export function removeEntry(
  type: RemoveEntryType,
  { input, value }: RemoveEntry,
  context: StageContext,
): Transform {
  const test = keepTest(type, input, value, context);
  const selector = new Selector();
  const narrow = test.narrow.bind(test);
  return {
    kind: 'transform',
    name: `${type} ${input}`,
    reads: [input],
    writes: [],
    filters: true,
    apply: (batch) => selector.apply(batch, narrow),
  };
}

function keepTest(
  type: RemoveEntryType,
  input: string,
  value: string | number | boolean | undefined,
  context: StageContext,
): ColumnTest {
  switch (type) {
    case 'remove_entry_if_exists':
      return new ColumnTest(input, true, false);
    case 'remove_entry_if_doesnt_exist':
      return new ColumnTest(input, false, true);
    default: {
      const path = `${context.path}.removeEntry`;
      const kind = context.kindOf(input);
      if (value === undefined) {
        throw configError(PIPELINE_ERRORS.option, `${path}.value`, `is required by ${type}`);
      }
      if (kind === 'list<str>' || kind === 'list<u32>') {
        const problem = `field ${input} is a list, which ${type} cannot compare with one value`;
        throw configError(PIPELINE_ERRORS.fieldKind, `${path}.input`, problem);
      }
      const wanted = canonical(String(value), kind);
      return type === 'remove_entry_if_equal'
        ? new ColumnTest(input, true, (text) => text !== wanted)
        : new ColumnTest(input, true, (text) => text === wanted);
    }
  }
}

/** The text of an equal value in a column of this kind. */
export function canonical(text: string, kind: FieldKind | undefined): string {
  if (kind === 'mac') return text.toLowerCase();
  if (kind !== 'addr') return text;
  const bytes = parseAddress(text);
  return bytes === undefined ? text : formatAddress(bytes);
}
