import type { FieldSpec } from '../../flow/field.ts';
import type { FlowRow } from '../../query/ast.ts';
import {
  type DictionaryName,
  dictionaryOf,
  LIST_SEPARATOR,
  type SqlTables,
} from '../../query/sql.ts';
import { DICTIONARIES } from './catalog.ts';
import type { Cell, Session } from './database.ts';
import { printNames, type Rows } from './reader.ts';

/** Turns rows of ids into flows with names; looks up only the ids of these rows. */
export async function nameRows(
  session: Session,
  tables: SqlTables,
  fields: readonly FieldSpec[],
  rows: Rows,
): Promise<FlowRow[]> {
  const names = await lookUp(session, tables, fields, rows);
  return rows.map((row) => {
    const flow: Record<string, unknown> = {};
    for (const [index, field] of fields.entries()) {
      const value = cellValue(field, row[index], names);
      if (value !== undefined) flow[field.name] = value;
    }
    return flow;
  });
}

type Names = Readonly<Record<DictionaryName, ReadonlyMap<number, string>>>;

async function lookUp(
  session: Session,
  tables: SqlTables,
  fields: readonly FieldSpec[],
  rows: Rows,
): Promise<Names> {
  const wanted: Record<DictionaryName, Set<number>> = {
    strings: new Set(),
    addresses: new Set(),
    macs: new Set(),
  };
  for (const [index, field] of fields.entries()) {
    const dictionary = dictionaryOf(field.kind);
    if (dictionary === undefined) continue;
    for (const row of rows) {
      const id = row[index];
      if (typeof id === 'number' && id !== 0) wanted[dictionary].add(id);
    }
  }
  const names: Record<DictionaryName, Map<number, string>> = {
    strings: new Map(),
    addresses: new Map(),
    macs: new Map(),
  };
  for (const dictionary of DICTIONARIES) {
    if (wanted[dictionary].size === 0) continue;
    const { sql, params } = printNames(tables, dictionary, wanted[dictionary]);
    for (const [id, value] of await session.run(sql, params)) {
      names[dictionary].set(Number(id), String(value));
    }
  }
  return names;
}

function cellValue(field: FieldSpec, cell: Cell, names: Names): unknown {
  const dictionary = dictionaryOf(field.kind);
  if (dictionary === undefined || cell === undefined) return cell;
  const text = names[dictionary].get(Number(cell));
  if (text === undefined) return undefined;
  switch (field.kind) {
    case 'list<str>':
      return text.split(LIST_SEPARATOR);
    case 'list<u32>':
      return text.split(LIST_SEPARATOR).map(Number);
    case 'any':
      return JSON.parse(text);
    default:
      return text;
  }
}
