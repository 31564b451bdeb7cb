/**
 * Values of columns in the form of RFC 7047 §5.1: an atom stands for a set of one, sets are
 * `["set", […]]`, maps `["map", [[key, value], …]]`, references `["uuid", "…"]`. A value of another
 * form reads as absent: a row of another schema must not end the connection.
 */

/** A row by its columns, as received. */
export type OvsdbRow = Readonly<Record<string, unknown>>;

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Value of a column of at most one number. */
export function numberOf(value: unknown): number | undefined {
  const [first] = elementsOf(value);
  return typeof first === 'number' ? first : undefined;
}

/** Ids in a column of references. */
export function referencesOf(value: unknown): readonly string[] {
  return elementsOf(value).flatMap((each) =>
    Array.isArray(each) && each[0] === 'uuid' && typeof each[1] === 'string' ? [each[1]] : [],
  );
}

/** Entries of a column that maps texts to texts. */
export function mapOf(value: unknown): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  if (!Array.isArray(value) || value[0] !== 'map' || !Array.isArray(value[1])) return map;
  for (const pair of value[1] as readonly unknown[]) {
    if (!Array.isArray(pair)) continue;
    const [key, text] = pair as readonly unknown[];
    if (typeof key === 'string' && typeof text === 'string') map.set(key, text);
  }
  return map;
}

function elementsOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value[0] !== 'set') return value === undefined ? [] : [value];
  return Array.isArray(value[1]) ? (value[1] as readonly unknown[]) : [];
}
