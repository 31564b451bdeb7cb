/** Words that differ in more edits than this share of their length are not suggested. */
const MAX_EDITS_SHARE = 0.4;

/** Nobody mistypes a known word as a longer one than this: it is not compared with any. */
const WORD_CHARS_MAX = 64;

/** The known word that was probably meant, for `did you mean …?`; undefined when none is close. */
export function closest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > WORD_CHARS_MAX) return undefined;
  const wanted = normal(word);
  let best: string | undefined;
  // The most edits that still make a candidate better than the best one so far.
  let editsMax = Math.max(1, Math.floor(wanted.length * MAX_EDITS_SHARE));
  for (const candidate of known) {
    const edits = editDistance(wanted, normal(candidate), editsMax);
    if (edits > editsMax) continue;
    best = candidate;
    editsMax = edits - 1;
    if (edits === 0) break;
  }
  return best;
}

/** ` (did you mean "x"?)` when a known word is close, else the list of the known words. */
export function suggestion(word: string, known: readonly string[]): string {
  const meant = closest(word, known);
  if (meant !== undefined) return ` (did you mean "${meant}"?)`;
  return known.length === 0 ? '' : ` (known: ${known.join(', ')})`;
}

// Makes CACHE_MAX_FLOWS, cacheMaxFlows and cache-max-flows the same word.
function normal(word: string): string {
  return word.replaceAll(/[-_]/g, '').toLowerCase();
}

/**
 * Insertions, deletions and replacements that turn one word into the other (Levenshtein); results
 * above `max` are not distinguished. Only the diagonal band that `max` edits can reach is computed.
 */
export function editDistance(
  from: string,
  to: string,
  max = Math.max(from.length, to.length),
): number {
  const beyond = max + 1;
  if (Math.abs(from.length - to.length) > max) return beyond;
  let previous = Array.from({ length: to.length + 1 }, (_, column) => Math.min(column, beyond));
  for (let row = 1; row <= from.length; row++) {
    const current = new Array<number>(to.length + 1).fill(beyond);
    if (row <= max) current[0] = row;
    const last = Math.min(to.length, row + max);
    let least = current[0]!;
    for (let column = Math.max(1, row - max); column <= last; column++) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      const edits = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1, beyond);
      current[column] = edits;
      if (edits < least) least = edits;
    }
    if (least > max) return beyond;
    previous = current;
  }
  return previous[to.length]!;
}
