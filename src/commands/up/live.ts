import type { SubscribeRows, WrittenRows } from '../../console/server/live.ts';
import { amountOf } from '../../deliver/runs.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { DuckdbStore } from '../../store/duckdb/root.ts';
import type { FlowStore } from '../../store/store.ts';

/**
 * Wraps the store so that it reports every append. Polling would wake an idle host; this way a
 * viewer also sees rows as soon as a query would. Only `columns` are filled for it.
 */
export function withLiveFeed(
  store: DuckdbStore,
  columns: readonly string[],
): {
  readonly store: FlowStore;
  readonly subscribe: SubscribeRows;
} {
  const listeners = new Set<(written: WrittenRows) => void>();
  const append = async (batch: FlowBatch): Promise<void> => {
    // Sums first: once the append settles, the batch may be filled again.
    const written = amountOf(batch, { from: 0, to: batch.selected });
    await store.append(batch);
    for (const listener of listeners) listener(written);
  };
  return {
    store: {
      columns,
      append,
      start: (signal) => store.start(signal),
      stop: () => store.stop(),
      flush: () => store.flush(),
      records: (query, signal) => store.records(query, signal),
      metrics: (query, signal) => store.metrics(query, signal),
      values: (query, signal) => store.values(query, signal),
      outcome: () => store.outcome(),
      status: () => store.status(),
    },
    subscribe(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
}
