import type { ColumnConfig, FlowRow, FrontendConfig } from '../../api.ts';
import { isAbsent } from './compare.ts';

export interface RecordEntry {
  /** The field's external name. */
  readonly key: string;
  readonly value: unknown;
  readonly column: ColumnConfig | undefined;
  readonly meaning: string;
}

export interface RecordGroup {
  /** Empty for fields without a group. */
  readonly name: string;
  readonly entries: readonly RecordEntry[];
}

/** The fields of a flow, in the columns' order and under their headings. */
export function recordGroups(
  row: FlowRow,
  config: Pick<FrontendConfig, 'columns' | 'fields'>,
): readonly RecordGroup[] {
  const meanings = new Map(config.fields.map((field) => [field.name, field.description]));
  const columnOf = new Map<string, ColumnConfig>();
  for (const column of config.columns) {
    const { field } = column;
    if (field !== undefined && column.calculated === undefined && !columnOf.has(field)) {
      columnOf.set(field, column);
    }
  }
  const order = new Map([...columnOf.keys()].map((field, index) => [field, index]));
  const rank = (key: string): number => order.get(key) ?? order.size;
  const entries = Object.entries(row)
    .filter(([, value]) => !isAbsent(value))
    .map(([key, value]) => ({
      key,
      value,
      column: columnOf.get(key),
      // A reference page uses the same texts, with names in backticks.
      meaning: (meanings.get(key) ?? '').replaceAll('`', ''),
    }))
    .sort((a, b) => rank(a.key) - rank(b.key));
  const groups = Map.groupBy(entries, (entry) => entry.column?.group ?? '');
  const named = [...groups].map(([name, members]) => ({ name, entries: members }));
  // Fields without a heading describe the flow as a whole.
  return named.sort((a, b) => Number(b.name === '') - Number(a.name === ''));
}
