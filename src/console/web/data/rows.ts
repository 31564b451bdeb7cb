import type { FieldConfig, FlowRow, RecordsResponse } from '../../api.ts';

/** A flow in the form that the table uses. */
export interface RecordRow {
  /** Equal for the same flow in two answers. */
  readonly key: string;
  readonly row: FlowRow;
}

/**
 * Rows of a records answer, newest first. Stream labels are fields of the row, too; they arrive as
 * text for every type of field.
 */
export function rowsOf(
  response: RecordsResponse,
  fields: readonly FieldConfig[],
): readonly RecordRow[] {
  const types = new Map(fields.map((field) => [field.name, field.type]));
  const rows: { readonly at: string; readonly record: RecordRow }[] = [];
  const seen = new Map<string, number>();
  for (const { stream, values } of response.result) {
    const labels = labelFields(stream, types);
    const prefix = JSON.stringify(labels);
    for (const [at, line] of values) {
      // Two flows may be equal in every field; React still needs distinct keys.
      const same = seen.get(prefix + line) ?? 0;
      seen.set(prefix + line, same + 1);
      const key = `${prefix}${line}${same}`;
      rows.push({ at, record: { key, row: { ...labels, ...parseLine(line) } } });
    }
  }
  // All have the same number of digits, so text order is time order. Only each stream is sorted.
  rows.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  return rows.map((row) => row.record);
}

const STREAM_NAME_LABEL = 'app';

function labelFields(
  stream: Readonly<Record<string, string>>,
  types: ReadonlyMap<string, FieldConfig['type']>,
): FlowRow {
  const row: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(stream)) {
    if (name === STREAM_NAME_LABEL) continue;
    row[name] = types.get(name) === 'number' && text !== '' ? Number(text) : text;
  }
  return row;
}

function parseLine(line: string): FlowRow {
  const value: unknown = JSON.parse(line);
  return typeof value === 'object' && value !== null ? (value as FlowRow) : {};
}
