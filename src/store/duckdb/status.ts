import type { HealthState } from '../../telemetry/health.ts';
import type { StoreStatus } from '../store.ts';
import type { PartitionAges } from './ages.ts';
import type { Catalog } from './catalog.ts';
import type { StoreFiles } from './files.ts';
import type { StoreMetrics } from './metrics.ts';
import { clockWarnings, damageWarnings } from './warnings.ts';

export interface StatusParts {
  readonly files: StoreFiles | undefined;
  /** The open database, if any. */
  readonly opened:
    | {
        readonly catalog: Catalog;
        readonly ages: PartitionAges;
        readonly writer: { readonly staged: number };
      }
    | undefined;
  readonly health: HealthState;
  readonly lapse: string | undefined;
  readonly nowMs: number;
}

/** The status of a store; sets its gauges as well. */
export function statusOf(parts: StatusParts, metrics: StoreMetrics): StoreStatus {
  const { files, opened, health, lapse, nowMs } = parts;
  const whole = opened?.catalog.partitions ?? [];
  const filled = whole.filter(({ newestMs }) => newestMs !== Number.NEGATIVE_INFINITY);
  const rows = filled.reduce((sum, partition) => sum + partition.rows, 0);
  const newestMs =
    filled.length === 0 ? undefined : Math.max(...filled.map((partition) => partition.newestMs));
  const sizeBytes = files?.sizeBytes() ?? 0;
  const damage = damageWarnings(files, opened?.catalog);
  metrics.rows.set(rows);
  metrics.sizeBytes.set(sizeBytes);
  metrics.partitions.set(whole.length);
  metrics.damaged.set(damage.length);
  return {
    kind: 'duckdb',
    ready: health.ok,
    ...(health.ok ? {} : { error: health.reason }),
    warnings: [
      ...damage,
      ...(lapse === undefined ? [] : [lapse]),
      ...clockWarnings(opened?.ages, newestMs, nowMs),
    ],
    rows: rows + (opened?.writer.staged ?? 0),
    sizeBytes,
    ...(newestMs === undefined
      ? {}
      : { oldestMs: Math.min(...filled.map(({ oldestMs }) => oldestMs)), newestMs }),
  };
}
