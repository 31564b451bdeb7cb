/** Settings of the store. */
export interface DuckdbConfig {
  /** Folder of the database; undefined: everything stays in memory. */
  readonly dataDir: string | undefined;
  /**
   * Flows stored for longer are dropped, by whole partitions. Setting the clock does not change
   * that; see `PartitionAges`.
   */
  readonly retentionMs: number;
  /** Disk space for flows; beyond it the oldest partitions are dropped. */
  readonly sizeLimitBytes: number;
  /** Memory of the database: staged rows, cached blocks and running queries. */
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** Rows are durable after this time at the latest. */
  readonly flushIntervalMs: number;
  /**
   * Rows after which the file is closed and opened again, as soon as no query runs. The database's
   * metadata about row locations, some 1.5 MB per million rows, does not count towards its memory
   * limit and is released in no other way.
   */
  readonly renewRows: number;
}

export const DUCKDB_DEFAULTS: DuckdbConfig = {
  dataDir: undefined,
  retentionMs: 24 * 3_600_000,
  sizeLimitBytes: 10 * 1024 ** 3,
  memoryLimitBytes: 256 * 1024 ** 2,
  threads: 2,
  flushIntervalMs: 1000,
  renewRows: 8_000_000,
};

/** File in the data folder. */
export const DATABASE_FILE = 'flows.duckdb';

/** Parts of the retention: one is dropped at a time, and the last one exceeds the retention. */
const PARTITIONS_PER_RETENTION = 24;
const PARTITION_MIN_MS = 10 * 60_000;
const PARTITION_MAX_MS = 24 * 3_600_000;

/** Share of the size limit that one partition may fill before the next is begun. */
export const PARTITIONS_PER_SIZE = 16;

/** How long one partition takes rows. */
export function partitionSpanMs(config: DuckdbConfig): number {
  const span = config.retentionMs / PARTITIONS_PER_RETENTION;
  return Math.min(PARTITION_MAX_MS, Math.max(PARTITION_MIN_MS, span));
}
