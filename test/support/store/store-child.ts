import { systemClock } from '../../../src/base/clock.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { DUCKDB_DEFAULTS } from '../../../src/store/duckdb/config.ts';
import { createDuckdbStore } from '../../../src/store/duckdb/root.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { batchOf } from './duckdb-store.ts';

/**
 * Appends flows to the store in the folder given as its argument until it is killed. Prints the
 * number of durable flows after every flush, one number per line.
 */
const tables = new TableSpace();
const store = createDuckdbStore(
  { ...DUCKDB_DEFAULTS, dataDir: process.argv[2], flushIntervalMs: 50 },
  { log: createLog('silent'), metrics: createMetrics('child_'), clock: systemClock, tables },
);
await store.start(new AbortController().signal);
for (let flushed = 0; ; flushed += 3000) {
  for (let part = 0; part < 3; part++) {
    const rows = Array.from({ length: 1000 }, (_, index) => ({
      TimeFlowEndMs: 1_795_000_000_000 + flushed + index,
      SrcAddr: `10.0.${(flushed / 3000) % 256}.${index % 256}`,
      SrcK8S_Namespace: `namespace-${index % 7}`,
      Bytes: 1,
    }));
    await store.append(batchOf(rows, tables.current));
  }
  await store.flush();
  process.stdout.write(`${flushed + 3000}\n`);
}
