import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import { makeFolder } from '../../config/folders.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type {
  MetricQuery,
  MetricResult,
  RecordQuery,
  RecordResult,
  TimeRange,
  ValuesQuery,
} from '../../query/ast.ts';
import { requireField } from '../../query/keys.ts';
import { type StepRow, seriesOf } from '../../query/series.ts';
import type { SqlTables } from '../../query/sql.ts';
import { printMetrics } from '../../query/sql-metrics.ts';
import { printRecords, printValues } from '../../query/sql-records.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import type { FlowStore, StoreStatus } from '../store.ts';
import { PartitionAges } from './ages.ts';
import { Catalog } from './catalog.ts';
import { DATABASE_FILE, type DuckdbConfig, partitionSpanMs } from './config.ts';
import { Database, type Session } from './database.ts';
import { isFatal, isMissingTable, storeFailure } from './failures.ts';
import { createStoreMetrics, type StoreMetrics } from './metrics.ts';
import { Mutex } from './mutex.ts';
import { Reader, tablesOf } from './reader.ts';
import { Retention } from './retention.ts';
import { nameRows } from './rows.ts';
import { Writer } from './writer.ts';

export interface DuckdbDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tables: TableSpace;
}

/** How often age and size are looked at. */
const RETENTION_EVERY_MS = 30_000;

/**
 * Flows in one DuckDB file, or in memory.
 *
 * Appended rows are staged by columns in the database's own buffers and committed in groups: when
 * a row group is full, when a query wants to see them, or after the flush interval. A crash loses
 * at most what was staged.
 */
export function createDuckdbStore(config: DuckdbConfig, deps: DuckdbDeps): FlowStore {
  return new DuckdbStore(config, deps);
}

/** What exists while the store is open. */
interface Opened {
  readonly database: Database;
  readonly session: Session;
  readonly catalog: Catalog;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly retention: Retention;
}

class DuckdbStore implements FlowStore {
  readonly #config: DuckdbConfig;
  readonly #deps: DuckdbDeps;
  readonly #metrics: StoreMetrics;
  readonly #file: string | undefined;
  readonly #place: string;
  readonly #writing = new Mutex();
  readonly #timers: Disposable[] = [];
  #opened: Opened | undefined;
  /** Why rows could not be written lately; none since the last commit that succeeded. */
  #failure: unknown;

  constructor(config: DuckdbConfig, deps: DuckdbDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#metrics = createStoreMetrics(deps.metrics);
    this.#file = config.dataDir === undefined ? undefined : join(config.dataDir, DATABASE_FILE);
    this.#place = config.dataDir ?? 'memory';
  }

  async start(_signal: AbortSignal): Promise<void> {
    this.#opened = await this.#open();
    const { clock } = this.#deps;
    this.#timers.push(
      clock.every(this.#config.flushIntervalMs / 2, () => this.#background('flush')),
      clock.every(RETENTION_EVERY_MS, () => this.#background('retention')),
    );
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.splice(0)) timer[Symbol.dispose]();
    await this.#writing.run(async () => {
      const opened = this.#opened;
      if (opened === undefined) return;
      this.#opened = undefined;
      await opened.reader.drain();
      try {
        await opened.writer.commit();
        await opened.writer.abandon();
        // The log is folded into the file, so that the next start is quick.
        if (this.#file !== undefined) await opened.session.execute('CHECKPOINT');
      } catch (error) {
        throw storeFailure(error, this.#place);
      } finally {
        opened.session.close();
        opened.database.close();
      }
    });
  }

  async append(batch: FlowBatch): Promise<void> {
    await this.#write(async ({ writer }) => {
      await writer.append(batch);
      // While writing fails, each caller is told what became of its own rows.
      if (this.#failure !== undefined) await writer.commit();
    });
  }

  async flush(): Promise<void> {
    await this.#write(({ writer }) => writer.commit());
  }

  async records(query: RecordQuery, signal: AbortSignal): Promise<RecordResult> {
    const fields = query.fields?.map(requireField) ?? FIELDS;
    return this.#query('records', query.range, signal, async (session, tables) => {
      const statement = printRecords(query, fields, tables);
      const found = await session.run(statement.sql, statement.params);
      const limitReached = found.length > query.limit;
      const rows = limitReached ? found.slice(0, query.limit) : found;
      return { rows: await nameRows(session, tables, fields, rows), limitReached };
    });
  }

  async metrics(query: MetricQuery, signal: AbortSignal): Promise<MetricResult> {
    const lookBackMs = query.fn === 'rate' ? query.rateIntervalMs : 0;
    const range = { ...query.range, startMs: query.range.startMs - lookBackMs };
    return this.#query('metrics', range, signal, async (session, tables) => {
      const { sql, params } = printMetrics(query, tables);
      const rows = await session.run(sql, params);
      return seriesOf(query, rows.map(stepRow));
    });
  }

  async values(query: ValuesQuery, signal: AbortSignal): Promise<readonly string[]> {
    return this.#query('values', query.range, signal, async (session, tables) => {
      const { sql, params } = printValues(query, tables);
      return (await session.run(sql, params)).map(([value]) => String(value));
    });
  }

  async status(): Promise<StoreStatus> {
    const opened = this.#opened;
    const partitions = (opened?.catalog.partitions ?? []).filter(
      ({ newestMs }) => newestMs !== Number.NEGATIVE_INFINITY,
    );
    const rows = partitions.reduce((sum, partition) => sum + partition.rows, 0);
    const error =
      opened === undefined
        ? 'the store is not open'
        : this.#failure === undefined
          ? undefined
          : explain(this.#failure);
    const sizeBytes = this.#sizeBytes();
    this.#metrics.rows.set(rows);
    this.#metrics.sizeBytes.set(sizeBytes);
    this.#metrics.partitions.set(opened?.catalog.partitions.length ?? 0);
    return {
      kind: 'duckdb',
      ready: error === undefined,
      ...(error === undefined ? {} : { error }),
      rows: rows + (opened?.writer.staged ?? 0),
      sizeBytes,
      ...(partitions.length === 0
        ? {}
        : {
            oldestMs: Math.min(...partitions.map(({ oldestMs }) => oldestMs)),
            newestMs: Math.max(...partitions.map(({ newestMs }) => newestMs)),
          }),
    };
  }

  #sizeBytes(): number {
    if (this.#file === undefined) return 0;
    let bytes = 0;
    for (const file of [this.#file, `${this.#file}.wal`]) {
      bytes += statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    }
    return bytes;
  }

  async #open(): Promise<Opened> {
    let database: Database | undefined;
    try {
      if (this.#config.dataDir !== undefined) {
        makeFolder(this.#config.dataDir, 0o700);
      }
      database = await Database.open({ ...this.#config, file: this.#file });
      const session = await database.connect();
      const catalog = new Catalog();
      await catalog.load(session, this.#place);
      const deps = { log: this.#deps.log, clock: this.#deps.clock, metrics: this.#metrics };
      const ages = new PartitionAges(this.#deps.clock, catalog.partitions);
      const writer = new Writer(
        session,
        { catalog, ages },
        { spanMs: partitionSpanMs(this.#config), place: this.#place },
        deps,
      );
      const reader = new Reader(database, this.#deps.clock);
      const retention = new Retention(this.#config, { session, catalog, ages, writer }, deps);
      return { database, session, catalog, writer, reader, retention };
    } catch (error) {
      database?.close();
      throw storeFailure(error, this.#place);
    }
  }

  /** One writer at a time; after a failure that the database does not survive it is reopened. */
  async #write(task: (opened: Opened) => Promise<void>): Promise<void> {
    await this.#writing.run(async () => {
      try {
        await task(this.#require());
        this.#failure = undefined;
      } catch (error) {
        const failure = storeFailure(error, this.#place);
        this.#failure = failure;
        if (isFatal(error) || isFatal(failure.cause)) await this.#reopen();
        throw failure;
      }
    });
  }

  async #reopen(): Promise<void> {
    const broken = this.#opened;
    this.#opened = undefined;
    broken?.session.close();
    broken?.database.close();
    try {
      this.#opened = await this.#open();
    } catch (error) {
      this.#deps.log.error({ component: 'store', error: explain(error) }, 'store stays closed');
    }
  }

  #require(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw storeError(STORE_ERRORS.stopped, 'the store is not open', { cause: this.#failure });
  }

  /** Work of a timer: nobody awaits it, so its failure is logged and shown by `status`. */
  #background(work: 'flush' | 'retention'): void {
    const opened = this.#opened;
    if (opened === undefined) return;
    // Rows that came since the last tick wait for the next: a fast stream commits by row groups.
    if (work === 'flush' && opened.writer.stagedMs < this.#config.flushIntervalMs / 2) return;
    void this.#write((current) =>
      work === 'flush' ? current.writer.commit() : current.retention.enforce(),
    ).catch((error: unknown) => {
      this.#deps.log.error({ component: 'store', work, error: explain(error) }, 'store failed');
    });
  }

  async #query<T>(
    kind: 'records' | 'metrics' | 'values',
    range: TimeRange,
    signal: AbortSignal,
    task: (session: Session, tables: SqlTables) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    signal.throwIfAborted();
    let result = 'failed';
    try {
      if ((this.#opened?.writer.staged ?? 0) > 0) await this.#showStaged();
      const answer = await this.#attempt(range, signal, task).catch((error: unknown) => {
        // Retention may drop a partition between the choice of tables and the query's snapshot.
        if (signal.aborted || !isMissingTable(error)) throw error;
        return this.#attempt(range, signal, task);
      });
      result = 'done';
      return answer;
    } catch (error) {
      if (signal.aborted) {
        result = 'cancelled';
        throw signal.reason;
      }
      throw storeFailure(error, this.#place);
    } finally {
      this.#metrics.queries.inc({ kind, result });
      this.#metrics.querySeconds.observe({ kind }, (clock.monotonicMs() - startedMs) / 1000);
    }
  }

  async #attempt<T>(
    range: TimeRange,
    signal: AbortSignal,
    task: (session: Session, tables: SqlTables) => Promise<T>,
  ): Promise<T> {
    const { reader, catalog } = this.#require();
    return reader.query(signal, async (session) => {
      // In a transaction all statements see the same flows, and a partition that is dropped
      // meanwhile stays readable.
      await session.execute('BEGIN');
      try {
        return await task(session, tablesOf([...catalog.partitions], range));
      } finally {
        await session.execute('ROLLBACK').catch(() => undefined);
      }
    });
  }

  /** Staged rows become visible; if they are lost, the query answers without them. */
  async #showStaged(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#deps.log.error({ component: 'store', error: explain(error) }, 'staged rows are lost');
    }
  }
}

function stepRow(row: readonly unknown[]): StepRow {
  const [rank] = row;
  const step = row.at(-2);
  const value = row.at(-1);
  return {
    rank: Number(rank),
    names: row.slice(1, -2).map(String),
    step: typeof step === 'number' ? step : undefined,
    value: typeof value === 'number' ? value : undefined,
  };
}
