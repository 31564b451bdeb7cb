/** Words that differ in more edits than this share of their length are not meant. */
const MAX_EDITS_SHARE = 0.4;

/** The known word that was probably meant, for `did you mean …?`; undefined when none is close. */
export function closest(word: string, known: Iterable<string>): string | undefined {
  const wanted = normal(word);
  let best: string | undefined;
  let bestEdits = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const edits = editDistance(wanted, normal(candidate));
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return bestEdits <= Math.max(1, wanted.length * MAX_EDITS_SHARE) ? best : undefined;
}

// Makes CACHE_MAX_FLOWS, cacheMaxFlows and cache-max-flows the same word.
function normal(word: string): string {
  return word.replaceAll(/[-_]/g, '').toLowerCase();
}

/** Insertions, deletions and replacements that turn one word into the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
