import type { ColumnConfig, FrontendConfig } from '../../api.ts';

/** Columns whose feature is on, or that need none. */
export function availableColumns(config: FrontendConfig): readonly ColumnConfig[] {
  const features = new Set(config.features);
  return config.columns.filter(
    (column) => column.feature === undefined || features.has(column.feature),
  );
}

export function defaultColumnIds(config: FrontendConfig): readonly string[] {
  return availableColumns(config)
    .filter((column) => column.default)
    .map((column) => column.id);
}

/** The columns to show, in order; ids in a link that this server doesn't know are skipped. */
export function shownColumns(
  chosen: readonly string[] | undefined,
  config: FrontendConfig,
): readonly ColumnConfig[] {
  const byId = new Map(config.columns.map((column) => [column.id, column]));
  const known = (chosen ?? []).flatMap((id) => byId.get(id) ?? []);
  if (known.length > 0) return known;
  return defaultColumnIds(config).flatMap((id) => byId.get(id) ?? []);
}

/** Name of a column without its group's heading: `Source Port`, because there are two ports. */
export function columnTitle(column: ColumnConfig, columns: readonly ColumnConfig[]): string {
  const group = column.group ?? '';
  const isOnly = columns.every((other) => other.id === column.id || other.name !== column.name);
  return group === '' || isOnly ? column.name : `${group} ${column.name}`;
}

/** A list with one element moved. */
export function move<Item>(list: readonly Item[], from: number, to: number): readonly Item[] {
  const item = list[from];
  if (item === undefined || to < 0 || to >= list.length) return list;
  return list.toSpliced(from, 1).toSpliced(to, 0, item);
}
