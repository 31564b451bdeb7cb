import { explain } from '../../base/errors.ts';
import type { PartitionAges } from './ages.ts';
import type { Catalog, Partition } from './catalog.ts';
import { type DuckdbConfig, PARTITIONS_PER_SIZE, partitionSpanMs } from './config.ts';
import { kibibytes, type Session } from './database.ts';
import type { StoreFiles } from './files.ts';
import type { Writer, WriterDeps } from './writer.ts';

export interface RetentionParts {
  readonly session: Session;
  readonly catalog: Catalog;
  readonly ages: PartitionAges;
  readonly writer: Writer;
  /** Undefined: in memory. */
  readonly files: Pick<StoreFiles, 'disk' | 'sizeBytes' | 'spillLimitBytes'> | undefined;
}

/** Space in use when the current partition was first seen. */
export interface PartitionBase {
  readonly partition: Partition | undefined;
  readonly bytes: number;
}

/**
 * Disk space left for other programs, for the log, for spilled data, and for blocks that become
 * free two checkpoints after their flows were dropped: old flows are dropped before it is used up.
 * It is a share of the disk within bounds, and half of a tiny disk.
 */
const DISK_RESERVE_SHARE = 0.1;
const DISK_RESERVE_LEAST_BYTES = 32 * 1024 ** 2;
const DISK_RESERVE_MOST_BYTES = 512 * 1024 ** 2;

function reserveBytes(diskBytes: number): number {
  const least = Math.min(DISK_RESERVE_LEAST_BYTES, diskBytes / 2);
  return Math.min(DISK_RESERVE_MOST_BYTES, Math.max(least, diskBytes * DISK_RESERVE_SHARE));
}

type DropReason = 'age' | 'size' | 'disk';

/**
 * Drops the oldest partitions when they are too old, when all of them exceed the size limit, or
 * when the disk has too little space.
 */
export class Retention {
  readonly #config: DuckdbConfig;
  readonly #parts: RetentionParts;
  readonly #deps: WriterDeps;
  /** The start value for the next instance, when only the database was reopened. */
  base: PartitionBase;

  constructor(
    config: DuckdbConfig,
    parts: RetentionParts,
    deps: WriterDeps,
    base: PartitionBase = { partition: undefined, bytes: 0 },
  ) {
    this.base = base;
    this.#config = config;
    this.#parts = parts;
    this.#deps = deps;
  }

  /** Call it between appends. */
  async enforce(): Promise<void> {
    await this.#limitSpill();
    await this.#sealIfDue();
    // A partition's last row may have come a full span after its first.
    const ageMaxMs = this.#config.retentionMs + partitionSpanMs(this.#config);
    let dropped = 0;
    for (const partition of [...this.#parts.catalog.all]) {
      if (this.#parts.ages.of(partition) < ageMaxMs) break;
      if (partition === this.#parts.writer.partition && this.#parts.writer.staged > 0) break;
      await this.#drop(partition, 'age');
      dropped++;
    }
    dropped += await this.#enforceSize();
    // Blocks of dropped tables become free with a checkpoint, and those at the end of the file are
    // returned to the disk.
    if (dropped > 0) await this.#parts.session.checkpoint();
  }

  /** Files of other programs may have appeared or gone. */
  async #limitSpill(): Promise<void> {
    const { files, session } = this.#parts;
    if (files === undefined) return;
    const limit = kibibytes(files.spillLimitBytes());
    try {
      await session.execute(`SET GLOBAL max_temp_directory_size = '${limit}'`);
    } catch (error) {
      // Refused while queries have spilled more than that: the next attempt is enough.
      this.#deps.log.debug({ component: 'store', error: explain(error) }, 'spill limit stays');
    }
  }

  async #sealIfDue(): Promise<void> {
    const { writer } = this.#parts;
    if (writer.partition === undefined) return;
    const used = await this.#usedBytes();
    if (writer.partition !== this.base.partition) {
      this.base = { partition: writer.partition, bytes: used };
    }
    const large = used - this.base.bytes > this.#limit().bytes / PARTITIONS_PER_SIZE;
    if (large || writer.isDue()) await writer.seal();
  }

  async #enforceSize(): Promise<number> {
    const { catalog, session, writer } = this.#parts;
    let beforeBytes = Number.POSITIVE_INFINITY;
    for (let dropped = 0; ; ) {
      const { bytes, reason } = this.#limit();
      const usedBytes = await this.#usedBytes();
      // A query that still reads dropped flows holds their space: no reason to drop the next
      // partition.
      if (usedBytes <= bytes || usedBytes >= beforeBytes) return dropped;
      beforeBytes = usedBytes;
      const [oldest] = catalog.all;
      if (oldest === undefined || oldest === writer.partition) return dropped;
      await this.#drop(oldest, reason);
      await session.checkpoint();
      dropped++;
    }
  }

  /** Space for flows; includes free blocks of the file, even on a disk that others have filled. */
  #limit(): { readonly bytes: number; readonly reason: DropReason } {
    const { sizeLimitBytes } = this.#config;
    const { files } = this.#parts;
    if (files === undefined) return { bytes: sizeLimitBytes, reason: 'size' };
    const { totalBytes, availableBytes } = files.disk();
    const reserved = reserveBytes(totalBytes);
    const bytes = Math.max(0, files.sizeBytes() + availableBytes - reserved);
    return bytes < sizeLimitBytes
      ? { bytes, reason: 'disk' }
      : { bytes: sizeLimitBytes, reason: 'size' };
  }

  async #drop(partition: Partition, reason: DropReason): Promise<void> {
    const { catalog, session, writer } = this.#parts;
    writer.leave(partition);
    await catalog.drop(session, partition);
    this.#deps.metrics.dropped.inc({ reason });
    this.#deps.log.info(
      { component: 'store', partition: partition.number, rows: partition.rows, reason },
      'dropped a partition',
    );
  }

  /** Blocks with data, and the log; the file reuses free blocks before it grows. */
  async #usedBytes(): Promise<number> {
    const [[used, log] = []] = await this.#parts.session.run(
      'SELECT (block_size * used_blocks)::DOUBLE, wal_size FROM pragma_database_size() LIMIT 1',
    );
    return Number(used ?? 0) + walBytes(String(log ?? ''));
  }
}

/** DuckDB prints the log's size for people: `12.3 MiB`. */
function walBytes(text: string): number {
  const match = /^([\d.]+) (bytes|KiB|MiB|GiB)$/.exec(text);
  if (match === null) return 0;
  const unit = { bytes: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[match[2] ?? ''] ?? 1;
  return Number(match[1]) * unit;
}
