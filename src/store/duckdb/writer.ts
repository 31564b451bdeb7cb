import { assertExists } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { BatchLayout, ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { kindOf } from '../../flow/fields.ts';
import { TIME_FIELD } from '../../query/sql.ts';
import type { Log } from '../../telemetry/log.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import type { PartitionAges } from './ages.ts';
import { PartitionAppenders } from './appenders.ts';
import type { Catalog, Partition } from './catalog.ts';
import { CHUNK_ROWS, Translation } from './chunk.ts';
import type { Session } from './database.ts';
import { fileRemoved, storeFailure } from './failures.ts';
import type { StoreMetrics } from './metrics.ts';

/**
 * Most rows staged before they are committed. It is a row group of the database: a transaction of
 * exactly this size is compressed straight into the file, while smaller ones go through the
 * write-ahead log first and cost about four times as much per row.
 */
const ROW_GROUP_ROWS = 122_880;

export interface WriterDeps {
  readonly log: Log;
  readonly metrics: StoreMetrics;
  readonly clock: Clock;
  readonly totals: WriteTotals;
  /** False once the file at that path is not the one that rows are written to. */
  isInPlace(): boolean;
}

/** Rows by outcome, over the life of a store; rows in neither count are staged. */
export interface WriteTotals {
  /** Committed: a crash does not lose them. */
  durable: number;
  /** Given up; the caller that appended them counts them as dropped. */
  lost: number;
}

/**
 * Appends batches to the newest partition. Not safe for concurrent calls: its owner makes one call
 * at a time.
 */
export class Writer {
  readonly #session: Session;
  readonly #catalog: Catalog;
  readonly #ages: PartitionAges;
  readonly #spanMs: number;
  readonly #place: string;
  readonly #deps: WriterDeps;
  readonly #translation: Translation;
  #partition: Partition | undefined;
  #appenders: PartitionAppenders | undefined;
  #layout: BatchLayout | undefined;
  readonly #bounds = new Float64Array(2);
  #staged = 0;
  #stagedSinceMs = 0;
  /** Rows of the current batch that have not been staged yet. */
  #unstaged = 0;
  #sealNext = false;

  constructor(
    session: Session,
    { catalog, ages }: { readonly catalog: Catalog; readonly ages: PartitionAges },
    options: { readonly spanMs: number; readonly place: string },
    deps: WriterDeps,
  ) {
    this.#session = session;
    this.#catalog = catalog;
    this.#ages = ages;
    this.#spanMs = options.spanMs;
    this.#place = options.place;
    this.#deps = deps;
    this.#translation = new Translation(catalog.lastIds);
    // Rows of today must not join a partition that may turn out to be days old.
    this.#sealNext = ages.isDoubtful;
  }

  /** Milliseconds that the oldest staged row has been waiting. */
  get stagedMs(): number {
    return this.#staged === 0 ? 0 : this.#deps.clock.monotonicMs() - this.#stagedSinceMs;
  }

  /** Highest assigned ids: the next writer continues after them. */
  get lastIds(): Catalog['lastIds'] {
    const { strings, addresses, macs } = this.#translation;
    return { strings: strings.last, addresses: addresses.last, macs: macs.last };
  }

  /** Rows that a crash would lose. */
  get staged(): number {
    return this.#staged;
  }

  /** Stages rows. On failure, unstaged rows of the batch are lost as well. */
  async append(batch: FlowBatch): Promise<void> {
    const total = batch.selected;
    if (total === 0) return;
    this.#deps.metrics.appended.inc(total);
    this.#unstaged = total;
    try {
      await this.#stage(batch, total);
    } catch (error) {
      this.#lose(this.#unstaged);
      await this.abandon();
      throw error;
    }
  }

  async #stage(batch: FlowBatch, total: number): Promise<void> {
    await this.#enterPartition(batch);
    this.#translation.enter(batch.tables);
    for (let from = 0; from < total; ) {
      if (this.#staged === 0) this.#stagedSinceMs = this.#deps.clock.monotonicMs();
      const count = Math.min(CHUNK_ROWS, total - from, this.#room());
      const appenders = assertExists(this.#appenders, 'open partition');
      appenders.append(batch, from, count, this.#translation);
      this.#staged += count;
      this.#unstaged -= count;
      from += count;
      if (this.#room() === 0) {
        this.#note(batch, from);
        await this.commit();
        if (from < total) await this.#enterPartition(batch);
      }
    }
    if (this.#staged > 0) this.#note(batch, total);
  }

  /** Makes the staged rows visible and durable. On failure gives them up and throws the reason. */
  async commit(): Promise<void> {
    if (this.#staged === 0) return;
    const { clock, metrics } = this.#deps;
    const startedMs = clock.monotonicMs();
    const rows = this.#staged;
    const partition = assertExists(this.#partition, 'partition of the staged rows');
    try {
      await this.#session.execute('BEGIN');
      assertExists(this.#appenders, 'open partition').flush(this.#translation);
      await this.#session.execute('COMMIT');
      if (!this.#deps.isInPlace()) throw fileRemoved(this.#place);
    } catch (error) {
      metrics.commits.inc({ result: 'failed' });
      await this.abandon();
      throw storeFailure(error, this.#place);
    }
    this.#staged = 0;
    this.#deps.totals.durable += rows;
    partition.rows += rows;
    metrics.commits.inc({ result: 'done' });
    metrics.commitSeconds.observe((clock.monotonicMs() - startedMs) / 1000);
  }

  /** Commits; the next rows begin a new partition. */
  async seal(): Promise<void> {
    await this.commit();
    this.#sealNext = true;
  }

  /** True when the current partition is older than one may become. */
  isDue(): boolean {
    return this.#partition !== undefined && this.#ages.of(this.#partition) >= this.#spanMs;
  }

  /** The partition that rows go to, which must not be dropped. */
  get partition(): Partition | undefined {
    return this.#partition;
  }

  /** Closes everything open of a partition that is about to be dropped; nothing may be staged. */
  leave(partition: Partition): void {
    if (partition !== this.#partition) return;
    this.#appenders?.discard();
    this.#appenders = undefined;
    this.#partition = undefined;
    this.#translation.forget();
  }

  /** Gives up staged rows, and starts again with the next batch. */
  async abandon(): Promise<void> {
    this.#lose(this.#staged);
    this.#staged = 0;
    this.#appenders?.discard();
    this.#appenders = undefined;
    // Ids that were staged with the rows are not in the database.
    this.#translation.abandon();
    this.#layout = undefined;
    await this.#session.execute('ROLLBACK').catch(() => undefined);
  }

  #lose(rows: number): void {
    if (rows === 0) return;
    this.#deps.totals.lost += rows;
    this.#deps.metrics.lost.inc(rows);
  }

  async #enterPartition(batch: FlowBatch): Promise<void> {
    const isWhole = this.#partition?.damage === undefined;
    const fits = isWhole && this.#appenders !== undefined && this.#layout === batch.layout;
    if (fits && !this.#sealNext && !this.isDue()) return;
    await this.#openPartition(batch.layout);
  }

  async #openPartition(layout: BatchLayout): Promise<void> {
    const columns = storedColumns(layout);
    const last = this.#catalog.last;
    this.#partition ??= last?.sealedMs === undefined ? last : undefined;
    const current = this.#partition;
    const reusable =
      current !== undefined &&
      current.damage === undefined &&
      !this.#sealNext &&
      !this.isDue() &&
      columns.every(({ name, kind }) => current.columns.get(name) === kind);
    if (reusable && this.#appenders !== undefined) {
      this.#layout = layout;
      return;
    }
    await this.commit();
    this.#appenders?.discard();
    this.#appenders = undefined;
    if (!reusable) {
      // The new partition has the columns of the old one too, so that alternating layouts do not
      // begin a partition each time.
      const kept = [...(current?.columns ?? [])].map(
        ([name, kind]): ColumnSpec => ({ name, kind }),
      );
      const all = [...columns, ...kept.filter(({ name }) => !layout.has(name))];
      const nowMs = this.#deps.clock.nowMs();
      this.#partition = await this.#catalog.create(this.#session, all, nowMs);
      this.#ages.add(this.#partition);
      this.#translation.forget();
      this.#sealNext = false;
    }
    const partition = assertExists(this.#partition, 'partition');
    this.#appenders = new PartitionAppenders(this.#session, partition);
    this.#layout = layout;
  }

  /** Rows that fill up the partition's last row group: partial ones would waste space. */
  #room(): number {
    const { rows } = assertExists(this.#partition, 'partition');
    return ROW_GROUP_ROWS - (rows % ROW_GROUP_ROWS) - this.#staged;
  }

  /** Widens the partition's time range by the rows before `end`. */
  #note(batch: FlowBatch, end: number): void {
    const partition = assertExists(this.#partition, 'partition');
    const bounds = this.#bounds;
    bounds[0] = partition.oldestMs;
    bounds[1] = partition.newestMs;
    widen(batch.f64(TIME_FIELD), batch.present(TIME_FIELD), batch.selection, end, bounds);
    partition.oldestMs = bounds[0];
    partition.newestMs = bounds[1];
  }
}

/** Lowers `bounds[0]` and raises `bounds[1]` to the values of the first `count` rows. */
function widen(
  values: Float64Array,
  present: Uint32Array,
  selection: Uint32Array | undefined,
  count: number,
  bounds: Float64Array,
): void {
  let low = bounds[0]!;
  let high = bounds[1]!;
  for (let i = 0; i < count; i++) {
    const row = selection === undefined ? i : selection[i]!;
    if (!hasBit(present, row)) continue;
    const value = values[row]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  bounds[0] = low;
  bounds[1] = high;
}

/** The columns of a batch that the field table knows; the store does not keep others. */
function storedColumns(layout: BatchLayout): readonly ColumnSpec[] {
  if (layout.kindOf(TIME_FIELD) !== 'f64') {
    throw storeError(
      STORE_ERRORS.internal,
      `batches without the column ${TIME_FIELD} cannot be stored; no query would find them`,
    );
  }
  return layout.columns.filter(({ name, kind }) => kindOf(name) === kind);
}
