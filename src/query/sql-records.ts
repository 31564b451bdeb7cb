import type { FieldSpec } from '../flow/field.ts';
import { ANY, type RecordQuery, type ValuesQuery } from './ast.ts';
import { requireFields } from './keys.ts';
import {
  dictionaryOf,
  LIST_SEPARATOR,
  printWhere,
  SqlContext,
  type SqlTables,
  type Statement,
  TIME_FIELD,
} from './sql.ts';

/**
 * The newest rows, as ids: the caller looks up the names of the few rows left. It returns one row
 * more than the limit, to show whether any were left out.
 */
export function printRecords(
  query: RecordQuery,
  fields: readonly FieldSpec[],
  tables: SqlTables,
): Statement {
  const context = new SqlContext(tables);
  const columns = fields.map((field) => context.column(field));
  const where = printWhere(context, query.range, query.filter, query.packetLoss);
  const limit = context.value(query.limit + 1);
  const sql =
    `SELECT ${columns.join(', ')} FROM ${context.facts()} AS f WHERE ${where} ` +
    `ORDER BY "${TIME_FIELD}" DESC LIMIT ${limit}::BIGINT`;
  return { sql, params: context.params };
}

/** The values of a field, or of either field of a pair, most frequent first. */
export function printValues(query: ValuesQuery, tables: SqlTables): Statement {
  const context = new SqlContext(tables);
  const selects = requireFields(query.field).map((field) => printCounts(context, field, query));
  const needle = context.value(query.contains);
  const limit = context.value(query.limit);
  const sql =
    `SELECT value FROM (${selects.join(' UNION ALL ')}) AS counted ` +
    `WHERE value <> '' AND contains(lower(value), lower(${needle}::VARCHAR)) ` +
    `GROUP BY value ORDER BY sum(n) DESC, value LIMIT ${limit}::BIGINT`;
  return { sql, params: context.params };
}

function printCounts(context: SqlContext, field: FieldSpec, query: ValuesQuery): string {
  // A separate context keeps the columns apart, and shares the placeholders.
  const own = new SharedContext(context);
  const column = own.column(field);
  const where = printWhere(own, query.range, ANY, 'all');
  const counts = `SELECT ${column} AS k, count(*) AS n FROM ${own.facts()} AS f WHERE ${where} GROUP BY k`;
  const dictionary = dictionaryOf(field.kind);
  if (dictionary === undefined) {
    return `SELECT ${printNumberText('k')} AS value, n FROM (${counts}) AS c WHERE k IS NOT NULL`;
  }
  const named = `SELECT d.value AS value, n FROM (${counts}) AS c JOIN ${context.tables.dictionary(dictionary)} AS d ON d.id = c.k`;
  if (field.kind !== 'list<u32>' && field.kind !== 'list<str>') return named;
  const separator = context.value(LIST_SEPARATOR);
  return `SELECT unnest(string_split(value, ${separator}::VARCHAR)) AS value, n FROM (${named}) AS l`;
}

/** Decimal text of a number, without the fraction that DOUBLE prints. */
export function printNumberText(column: string): string {
  return (
    `CASE WHEN ${column} = floor(${column}) AND abs(${column}) < 9007199254740992 ` +
    `THEN ${column}::BIGINT::VARCHAR ELSE ${column}::VARCHAR END`
  );
}

class SharedContext extends SqlContext {
  readonly #outer: SqlContext;

  constructor(outer: SqlContext) {
    super(outer.tables);
    this.#outer = outer;
  }

  override value(value: string | number): string {
    return this.#outer.value(value);
  }
}
