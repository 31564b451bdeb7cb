import type { FieldKind, FieldSpec } from '../flow/field.ts';
import type { Filter, Match, PacketLoss, TimeRange } from './ast.ts';
import { requireField } from './keys.ts';
import { isDuration, type NumberTest } from './numbers.ts';
import { readMatch, type Test } from './values.ts';

/**
 * Filters and queries as parameterised SQL, in DuckDB's dialect.
 *
 * The facts hold numbers unchanged and ids for everything else: 0 where there is no value,
 * otherwise the id of a dictionary's row (`id`, `value`; addresses also `bits`, unsigned 128-bit).
 * A value may have several ids, an id has one value. A list is one dictionary text: its members
 * joined by `LIST_SEPARATOR`.
 */
export const LIST_SEPARATOR = '\u001f';

/** The end of a flow: time ranges, order and retention use it. */
export const TIME_FIELD = 'TimeFlowEndMs';

export type DictionaryName = 'strings' | 'addresses' | 'macs';

/** Tables of a store's facts and dictionaries, as SQL for a FROM clause. */
export interface SqlTables {
  facts(fields: readonly FieldSpec[]): string;
  dictionary(name: DictionaryName): string;
}

export interface Statement {
  readonly sql: string;
  readonly params: readonly (string | number)[];
}

/** The dictionary with the values of such a field's ids; undefined for numbers. */
export function dictionaryOf(kind: FieldKind): DictionaryName | undefined {
  switch (kind) {
    case 'str':
    case 'list<u32>':
    case 'list<str>':
    case 'any':
      return 'strings';
    case 'addr':
      return 'addresses';
    case 'mac':
      return 'macs';
    default:
      return undefined;
  }
}

const SQL_TYPES: Partial<Record<FieldKind, string>> = {
  u8: 'UTINYINT',
  u16: 'USMALLINT',
  u32: 'UINTEGER',
  f64: 'DOUBLE',
};

/** Column type of a field in the facts. */
export function sqlType(kind: FieldKind): string {
  return SQL_TYPES[kind] ?? 'UINTEGER';
}

/** A name as an SQL identifier. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Collects the needs of a statement while its text is printed: the values, which never become part
 * of the text, and the fields that the facts must provide.
 */
export class SqlContext {
  readonly tables: SqlTables;
  readonly params: (string | number)[] = [];
  readonly #fields = new Map<string, FieldSpec>();

  constructor(tables: SqlTables) {
    this.tables = tables;
  }

  /** Placeholder for a value. */
  value(value: string | number): string {
    this.params.push(value);
    return `$${this.params.length}`;
  }

  /** A column of the facts. */
  column(field: FieldSpec): string {
    this.#fields.set(field.name, field);
    return quoted(field.name);
  }

  /** The facts with the columns requested so far: print it last. */
  facts(): string {
    return this.tables.facts([...this.#fields.values()]);
  }
}

/** The condition of a query: its time range, its filter and the packet loss. */
export function printWhere(
  context: SqlContext,
  range: TimeRange,
  filter: Filter,
  packetLoss: PacketLoss,
): string {
  const time = context.column(requireField(TIME_FIELD));
  const conditions = [
    `${time} >= ${context.value(range.startMs)}::DOUBLE`,
    `${time} < ${context.value(range.endMs)}::DOUBLE`,
  ];
  const matched = printFilter(context, filter);
  if (matched !== 'true') conditions.push(matched);
  conditions.push(...printPacketLoss(context, packetLoss));
  return conditions.join(' AND ');
}

/** A boolean expression over the columns of the facts; never NULL under a negation. */
export function printFilter(context: SqlContext, filter: Filter): string {
  if (filter.kind === 'match') return printMatch(context, filter);
  const parts = filter.terms.map((term) => printFilter(context, term));
  if (parts.length === 0) return filter.kind === 'and' ? 'true' : 'false';
  return `(${parts.join(filter.kind === 'and' ? ' AND ' : ' OR ')})`;
}

function printPacketLoss(context: SqlContext, packetLoss: PacketLoss): readonly string[] {
  if (packetLoss === 'all') return [];
  const sent = `coalesce(${context.column(requireField('Packets'))}, 0)`;
  const lost = `coalesce(${context.column(requireField('PktDropPackets'))}, 0)`;
  switch (packetLoss) {
    case 'dropped':
      return [`${sent} = 0`, `${lost} > 0`];
    case 'hasDrops':
      return [`${lost} > 0`];
    case 'sent':
      return [`${lost} = 0`];
  }
}

function printMatch(context: SqlContext, match: Match): string {
  const read = readMatch(match);
  const alternatives = read.fields.flatMap(({ field, tests }) => {
    const dictionary = dictionaryOf(field.kind);
    return dictionary === undefined
      ? tests.map((test) => printNumberTest(context, field, test))
      : printIdTests(context, field, dictionary, tests);
  });
  const any = alternatives.length === 1 ? alternatives[0]! : `(${alternatives.join(' OR ')})`;
  return read.negative ? `NOT coalesce(${any}, false)` : any;
}

function printNumberTest(context: SqlContext, field: FieldSpec, test: Test): string {
  const column = context.column(field);
  if (test.kind === 'empty') return `${column} IS NULL`;
  if (!isNumberTest(test)) {
    throw new Error(`assertion failed: test ${test.kind} on the number ${field.name}`);
  }
  const passes = printComparison(context, column, sqlType(field.kind), test);
  const bounded = test.kind === 'compare' && test.comparison.startsWith('<');
  // A duration of 0 was not measured, so it is not below any bound.
  return bounded && isDuration(field) ? `(${passes} AND ${column} <> 0)` : passes;
}

function isNumberTest(test: Test): test is NumberTest {
  return (
    test.kind === 'equals' ||
    test.kind === 'compare' ||
    test.kind === 'within' ||
    test.kind === 'bits'
  );
}

function printComparison(
  context: SqlContext,
  number: string,
  type: string,
  test: NumberTest,
): string {
  const value = (of: number): string => `${context.value(of)}::${type}`;
  switch (test.kind) {
    case 'equals':
      return `${number} = ${value(test.value)}`;
    case 'compare':
      return `${number} ${test.comparison} ${value(test.value)}`;
    case 'within':
      return `${number} BETWEEN ${value(test.low)} AND ${value(test.high)}`;
    case 'bits': {
      const bits = value(test.value);
      return `(${number} & ${bits}) = ${bits}`;
    }
  }
}

/** All tests of one field share one look-up of the matching ids. */
function printIdTests(
  context: SqlContext,
  field: FieldSpec,
  dictionary: DictionaryName,
  tests: readonly Test[],
): readonly string[] {
  const column = context.column(field);
  const entries = context.tables.dictionary(dictionary);
  const empty = tests.filter((test) => test.kind === 'empty');
  const absent = empty.length > 0 ? [`${column} = 0`] : [];
  const isList = field.kind === 'list<u32>' || field.kind === 'list<str>';
  if (!isList) return [...absent, printIds(context, column, entries, tests)];
  const members = tests.filter((test) => test.kind !== 'empty');
  return [
    ...absent,
    ...(empty.length > 0 ? [printIds(context, column, entries, empty)] : []),
    ...(members.length > 0
      ? [printIds(context, column, membersOf(context, entries), members)]
      : []),
  ];
}

function printIds(
  context: SqlContext,
  column: string,
  entries: string,
  tests: readonly Test[],
): string {
  const conditions = tests.map((test) =>
    // Members of lists of numbers are kept as text.
    isNumberTest(test)
      ? printComparison(context, 'try_cast(value AS UINTEGER)', 'UINTEGER', test)
      : printValueTest(context, 'value', test),
  );
  return `${column} IN (SELECT id FROM ${entries} AS d WHERE ${conditions.join(' OR ')})`;
}

/** The members of lists as single values. */
function membersOf(context: SqlContext, entries: string): string {
  const members = `string_split(value, ${context.value(LIST_SEPARATOR)}::VARCHAR)`;
  return `(SELECT id, unnest(${members}) AS value FROM ${entries} AS l)`;
}

function printValueTest(context: SqlContext, value: string, test: Test): string {
  switch (test.kind) {
    case 'empty':
      return `${value} = ''`;
    case 'text':
      return `${value} = ${context.value(test.text)}::VARCHAR`;
    case 'glob':
      return printGlob(context, value, test.text);
    case 'contains':
      return `contains(lower(${value}), lower(${context.value(test.text)}::VARCHAR))`;
    case 'between': {
      const low = context.value(String(test.low));
      const high = context.value(String(test.high));
      return `bits BETWEEN ${low}::VARCHAR::UHUGEINT AND ${high}::VARCHAR::UHUGEINT`;
    }
    default:
      throw new Error(`assertion failed: test ${test.kind} on a text`);
  }
}

/**
 * A glob as searches for the texts between its wildcards, each search after the previous match.
 * Time grows with the lengths of text and glob: LIKE would try more and more positions with every
 * wildcard, and a statement cannot be interrupted in the middle of a value.
 */
function printGlob(context: SqlContext, value: string, glob: string): string {
  const pieces = glob.split('*');
  const first = pieces[0] ?? '';
  const last = pieces.at(-1) ?? '';
  const middle = pieces.slice(1, -1).filter((piece) => piece !== '');
  const text = `lower(${value})`;
  const lowered = (piece: string): string => `lower(${context.value(piece)}::VARCHAR)`;
  if (pieces.length === 1) return `${text} = ${lowered(glob)}`;
  const conditions: string[] = [];
  if (first !== '') conditions.push(`starts_with(${text}, ${lowered(first)})`);
  if (last !== '') conditions.push(`ends_with(${text}, ${lowered(last)})`);
  if (conditions.length === 2 || middle.length > 1) {
    // Beginning and end must not overlap; a text that is too short is not searched.
    conditions.unshift(`length(${text}) >= length(${lowered(pieces.join(''))})`);
  }
  const inner = (): string =>
    conditions.length === 0
      ? text
      : `${text}[length(${lowered(first)}) + 1 : length(${text}) - length(${lowered(last)})]`;
  if (middle.length === 1) conditions.push(`contains(${inner()}, ${lowered(middle[0]!)})`);
  if (middle.length > 1) {
    const list = `string_split(${lowered(middle.join('*'))}, '*')`;
    const step =
      'lambda rest, piece: CASE WHEN contains(rest, piece) ' +
      'THEN substr(rest, instr(rest, piece) + length(piece)) END';
    conditions.push(`list_reduce(${list}, ${step}, ${inner()}) IS NOT NULL`);
  }
  return conditions.length === 0 ? `${value} IS NOT NULL` : `(${conditions.join(' AND ')})`;
}
