import type { QueryStats } from '../api.ts';

/** Query statistics of the summary bar; the store is one source and never sends a row twice. */
export function queryStats(
  name: string,
  durationMs: number,
  totalEntries: number,
  limitReached: boolean,
): QueryStats {
  return {
    numQueries: 1,
    totalEntries,
    duplicates: 0,
    limitReached,
    queriesStats: [{ name, durationMs: Math.round(durationMs * 10) / 10 }],
    dataSources: ['store'],
  };
}
