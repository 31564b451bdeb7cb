import type { FieldSpec } from '../flow/field.ts';
import { LIST_SEPARATOR, type SqlContext } from './sql.ts';

/** Lists whose members at the same index belong together. */
const PARALLEL: readonly string[] = ['Interfaces', 'IfDirections', 'Udns'];

interface ListGroup {
  readonly index: number;
  readonly field: FieldSpec;
}

export function isList(field: FieldSpec): boolean {
  return field.kind === 'list<u32>' || field.kind === 'list<str>';
}

/**
 * Rows with ids `g0 …`, once for each member of their lists, which are texts `u0 …`: a flow that
 * passed two interfaces is traffic of both. A repeated member of a list counts once.
 */
export function printMembers(
  context: SqlContext,
  groups: readonly FieldSpec[],
  from: string,
): string {
  const lists = groups.flatMap((field, index): ListGroup[] =>
    isList(field) ? [{ index, field }] : [],
  );
  const together = lists.filter(({ field }) => PARALLEL.includes(field.name));
  const alone = lists.filter(({ field }) => !PARALLEL.includes(field.name)).map((list) => [list]);
  const sets = together.length === 0 ? alone : [together, ...alone];
  return sets.reduce((rows, set) => printSet(context, set, rows), from);
}

function printSet(context: SqlContext, set: readonly ListGroup[], from: string): string {
  const joins = set.map(
    ({ index }) =>
      ` LEFT JOIN ${context.tables.dictionary('strings')} AS l${index} ON l${index}.id = c.g${index}`,
  );
  const lists = set.map(
    ({ index }) =>
      `coalesce(string_split(l${index}.value, ${context.value(LIST_SEPARATOR)}::VARCHAR), [''])`,
  );
  const joined =
    `SELECT c.*, unnest(list_distinct(${printJoined(lists)})) AS m ` +
    `FROM (${from}) AS c${joins.join('')}`;
  const members = set.map(
    ({ index }, place) => `split_part(m, '${PLACE_SEPARATOR}', ${place + 1}) AS u${index}`,
  );
  return `SELECT * EXCLUDE (m), ${members.join(', ')} FROM (${joined}) AS z`;
}

/** Separates members at the same index of several lists; no name contains it. */
const PLACE_SEPARATOR = '\u001e';

/** One list of texts with the members at each index: unnesting would separate structures. */
function printJoined(lists: readonly string[]): string {
  const [only] = lists;
  if (lists.length === 1 && only !== undefined) return only;
  const places = lists.map((list) => `len(${list})`).join(', ');
  const parts = lists.map((list) => `coalesce((${list})[i], '')`);
  const text = parts.join(` || '${PLACE_SEPARATOR}' || `);
  return `list_transform(range(1, greatest(${places}) + 1), lambda i: ${text})`;
}
