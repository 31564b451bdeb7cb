import type { SubscribeRows, WrittenRows } from '../../console/server/live.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import type { DuckdbStore } from '../../store/duckdb/root.ts';
import type { FlowStore } from '../../store/store.ts';

/**
 * Wraps the store so that it reports every append. Polling would wake an idle host; this way a
 * viewer also sees rows as soon as a query would.
 */
export function withLiveFeed(store: DuckdbStore): {
  readonly store: FlowStore;
  readonly subscribe: SubscribeRows;
} {
  const listeners = new Set<(written: WrittenRows) => void>();
  const append = async (batch: FlowBatch): Promise<void> => {
    // Sums first: once the append settles, the batch may be filled again.
    const written = {
      flows: batch.selected,
      bytes: sum(batch, 'Bytes'),
      packets: sum(batch, 'Packets'),
    };
    await store.append(batch);
    for (const listener of listeners) listener(written);
  };
  return {
    store: {
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

/** Sum of a counter over the selected rows; 0 when it was not decoded. */
function sum(batch: FlowBatch, name: string): number {
  if (!batch.has(name)) return 0;
  const values = batch.f64(name);
  const present = batch.present(name);
  const selection = batch.selection;
  let total = 0;
  for (let i = 0; i < batch.selected; i++) {
    const row = selection === undefined ? i : selection[i]!;
    if (hasBit(present, row)) total += values[row]!;
  }
  return total;
}
