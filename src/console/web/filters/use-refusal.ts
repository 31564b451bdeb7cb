import { type QueryCache, useQueryClient } from '@tanstack/react-query';
import { useCallback, useSyncExternalStore } from 'react';
import { RefusedError } from '../data/client.ts';
import { FLOWS_KEY } from '../data/queries.ts';

/** The server's objection to the filters of the queries on the page, if it has one. */
export function useRefusal(): RefusedError | undefined {
  const cache = useQueryClient().getQueryCache();
  const subscribe = useCallback((listener: () => void) => cache.subscribe(listener), [cache]);
  return useSyncExternalStore(subscribe, () => findRefusal(cache));
}

function findRefusal(cache: QueryCache): RefusedError | undefined {
  for (const query of cache.findAll({ queryKey: [FLOWS_KEY], type: 'active' })) {
    const { error } = query.state;
    if (error instanceof RefusedError && error.parameter === 'filters') return error;
  }
  return undefined;
}
