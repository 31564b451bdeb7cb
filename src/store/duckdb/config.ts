/** What a person can set of the store. */
export interface DuckdbConfig {
  /** Folder of the database; undefined keeps everything in memory. */
  readonly dataDir: string | undefined;
  /**
   * Flows that have been here for longer are dropped, by whole partitions. Setting the clock
   * meanwhile changes nothing about it; see `PartitionAges`.
   */
  readonly retentionMs: number;
  /** Disk space that flows may take; the oldest partitions are dropped beyond it. */
  readonly sizeLimitBytes: number;
  /** Memory of the database: staged rows, cached blocks and running queries. */
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** Rows are durable after this time at the latest. */
  readonly flushIntervalMs: number;
  /**
   * Rows after which the file is closed and opened again, as soon as no query runs. What the
   * database remembers of where rows are is outside of its limit, some 1.5 MB per million rows, and
   * it lets go of that in no other way.
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

/** Parts into which the retention is cut: what is dropped at once, and the last one exceeds. */
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
