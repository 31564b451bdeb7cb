import type { HealthState } from '../../telemetry/health.ts';
import type { StoreStatus } from '../store.ts';
import type { Catalog } from './catalog.ts';
import type { StoreFiles } from './files.ts';
import type { StoreMetrics } from './metrics.ts';

/** What a store says of itself; its gauges are set by the way. */
export function statusOf(
  files: StoreFiles | undefined,
  catalog: Catalog | undefined,
  staged: number,
  health: HealthState,
  metrics: StoreMetrics,
): StoreStatus {
  const whole = catalog?.partitions ?? [];
  const filled = whole.filter(({ newestMs }) => newestMs !== Number.NEGATIVE_INFINITY);
  const rows = filled.reduce((sum, partition) => sum + partition.rows, 0);
  const sizeBytes = files?.sizeBytes() ?? 0;
  const warnings = warningsOf(files, catalog);
  metrics.rows.set(rows);
  metrics.sizeBytes.set(sizeBytes);
  metrics.partitions.set(whole.length);
  metrics.damaged.set(warnings.length);
  return {
    kind: 'duckdb',
    ready: health.ok,
    ...(health.ok ? {} : { error: health.reason }),
    warnings,
    rows: rows + staged,
    sizeBytes,
    ...(filled.length === 0
      ? {}
      : {
          oldestMs: Math.min(...filled.map(({ oldestMs }) => oldestMs)),
          newestMs: Math.max(...filled.map(({ newestMs }) => newestMs)),
        }),
  };
}

/** Damage that the store works around, a sentence each for a person. */
function warningsOf(
  files: StoreFiles | undefined,
  catalog: Catalog | undefined,
): readonly string[] {
  const kept = (files?.damaged() ?? []).map(
    (path) => `damaged flows were set aside: ${path} holds what could not be read`,
  );
  const leftOut = (catalog?.all ?? []).flatMap(({ damage, startedMs }) =>
    damage === undefined
      ? []
      : [`flows from ${new Date(startedMs).toISOString()} on are left out: ${damage}`],
  );
  return [...kept, ...leftOut];
}
