import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { explain, hasCode } from '../../base/errors.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type {
  MetricQuery,
  MetricResult,
  RecordQuery,
  RecordResult,
  ValuesQuery,
} from '../../query/ast.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import type { FlowStore, StoreOutcome, StoreStatus } from '../store.ts';
import { PartitionAges } from './ages.ts';
import { DATABASE_FILE, type DuckdbConfig, partitionSpanMs } from './config.ts';
import { fileRemoved, isCorrupt, isFatal, storeFailure } from './failures.ts';
import { StoreFiles } from './files.ts';
import { createStoreMetrics, type StoreMetrics } from './metrics.ts';
import { Mutex } from './mutex.ts';
import { type OpenedDatabase, openDatabase } from './opening.ts';
import { Questions } from './questions.ts';
import { Reader } from './reader.ts';
import { Retention } from './retention.ts';
import { type Books, Writer } from './writer.ts';

export interface DuckdbDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tables: TableSpace;
}

/** How often age and size are looked at. */
const RETENTION_EVERY_MS = 30_000;

/** How long after an attempt to open the database failed the next one is made. */
const REOPEN_EVERY_MS = 5000;

/**
 * Flows in one DuckDB file, or in memory.
 *
 * Appended rows are staged by columns in the database's own buffers and committed in groups: when
 * a row group is full, when a query wants to see them, or after the flush interval. A crash loses
 * at most what was staged.
 */
export function createDuckdbStore(config: DuckdbConfig, deps: DuckdbDeps): DuckdbStore {
  return new OneFileStore(config, deps);
}

export interface DuckdbStore extends FlowStore {
  outcome(): StoreOutcome;
  /** Whether flows are being kept right now; answers from memory. */
  readiness(): HealthState;
}

/** What exists while the store is open. */
interface Opened extends OpenedDatabase {
  readonly writer: Writer;
  readonly reader: Reader;
  readonly retention: Retention;
}

class OneFileStore implements DuckdbStore {
  readonly #config: DuckdbConfig;
  readonly #deps: DuckdbDeps;
  readonly #metrics: StoreMetrics;
  readonly #files: StoreFiles | undefined;
  readonly #place: string;
  readonly #questions: Questions;
  readonly #books: Books = { durable: 0, lost: 0 };
  readonly #writing = new Mutex();
  readonly #timers: Disposable[] = [];
  #opened: Opened | undefined;
  #isStarted = false;
  /** Of the file that is open. */
  #identity: number | undefined;
  #openFailedMs = Number.NEGATIVE_INFINITY;
  /** Why rows could not be written lately; none since a commit of rows has succeeded. */
  #failure: unknown;

  constructor(config: DuckdbConfig, deps: DuckdbDeps) {
    const { dataDir } = config;
    this.#config = config;
    this.#deps = deps;
    this.#metrics = createStoreMetrics(deps.metrics);
    this.#files = dataDir === undefined ? undefined : new StoreFiles(join(dataDir, DATABASE_FILE));
    this.#place = dataDir ?? 'memory';
    this.#questions = new Questions({
      clock: deps.clock,
      metrics: this.#metrics,
      place: this.#place,
      opened: () => this.#require(),
      showStaged: () => this.#showStaged(),
      leaveOutDamaged: (error) => this.#leaveOutDamaged(error),
    });
  }

  async start(_signal: AbortSignal): Promise<void> {
    this.#opened = await this.#open();
    this.#isStarted = true;
    const { clock } = this.#deps;
    this.#timers.push(
      clock.every(this.#config.flushIntervalMs / 2, () => this.#background('flush')),
      clock.every(RETENTION_EVERY_MS, () => this.#background('retention')),
    );
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    for (const timer of this.#timers.splice(0)) timer[Symbol.dispose]();
    await this.#writing.run(async () => {
      const opened = this.#opened;
      if (opened === undefined) return;
      this.#opened = undefined;
      const isIdle = await opened.reader.drain();
      try {
        await opened.writer.commit();
        await opened.writer.abandon();
        // The log is folded into the file, so that the next start is quick.
        if (this.#files !== undefined && isIdle) await opened.session.execute('CHECKPOINT');
      } catch (error) {
        throw storeFailure(error, this.#place);
      } finally {
        // Closing waits for queries; one that does not obey ends with the process.
        if (isIdle) close(opened);
      }
    });
  }

  async append(batch: FlowBatch): Promise<void> {
    const rows = batch.selected;
    let isTaken = false;
    try {
      await this.#write(async ({ writer }) => {
        isTaken = true;
        await writer.append(batch);
        // While writing fails, each caller is told what became of its own rows.
        if (this.#failure !== undefined) await writer.commit();
      });
    } catch (error) {
      // The writer counts what it was given.
      if (!isTaken) {
        this.#books.lost += rows;
        this.#metrics.lost.inc(rows);
      }
      throw error;
    }
  }

  async flush(): Promise<void> {
    await this.#write(({ writer }) => writer.commit());
  }

  records(query: RecordQuery, signal: AbortSignal): Promise<RecordResult> {
    return this.#questions.records(query, signal);
  }

  metrics(query: MetricQuery, signal: AbortSignal): Promise<MetricResult> {
    return this.#questions.metrics(query, signal);
  }

  values(query: ValuesQuery, signal: AbortSignal): Promise<readonly string[]> {
    return this.#questions.values(query, signal);
  }

  outcome(): StoreOutcome {
    return { ...this.#books };
  }

  readiness(): HealthState {
    if (this.#failure !== undefined) return { ok: false, reason: explain(this.#failure) };
    return this.#opened === undefined
      ? { ok: false, reason: 'the store is not open' }
      : { ok: true };
  }

  async status(): Promise<StoreStatus> {
    const opened = this.#opened;
    const partitions = (opened?.catalog.partitions ?? []).filter(
      ({ newestMs }) => newestMs !== Number.NEGATIVE_INFINITY,
    );
    const rows = partitions.reduce((sum, partition) => sum + partition.rows, 0);
    const health = this.readiness();
    const sizeBytes = this.#files?.sizeBytes() ?? 0;
    const warnings = this.#warnings();
    this.#metrics.damaged.set(warnings.length);
    this.#metrics.rows.set(rows);
    this.#metrics.sizeBytes.set(sizeBytes);
    this.#metrics.partitions.set(opened?.catalog.partitions.length ?? 0);
    return {
      kind: 'duckdb',
      ready: health.ok,
      ...(health.ok ? {} : { error: health.reason }),
      warnings,
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

  #warnings(): readonly string[] {
    const kept = (this.#files?.damaged() ?? []).map(
      (path) => `damaged flows were set aside: ${path} holds what could not be read`,
    );
    const leftOut = (this.#opened?.catalog.all ?? []).flatMap(({ damage, startedMs }) =>
      damage === undefined
        ? []
        : [`flows from ${new Date(startedMs).toISOString()} on are left out: ${damage}`],
    );
    return [...kept, ...leftOut];
  }

  async #open(): Promise<Opened> {
    const { log, clock } = this.#deps;
    const options = { ...this.#config, file: this.#files?.database };
    const spanMs = partitionSpanMs(this.#config);
    try {
      const found = await openDatabase(options, this.#files, this.#place, {
        log,
        nowMs: () => clock.nowMs(),
      });
      const { database, session, catalog } = found;
      this.#identity = this.#files?.identity();
      const deps = {
        log,
        clock,
        metrics: this.#metrics,
        books: this.#books,
        isInPlace: () => this.#files?.identity() === this.#identity,
      };
      const limits = { retentionMs: this.#config.retentionMs, spanMs };
      const ages = new PartitionAges(clock, catalog.all, limits);
      const place = this.#place;
      const writer = new Writer(session, { catalog, ages }, { spanMs, place }, deps);
      const reader = new Reader(database, clock);
      const parts = { session, catalog, ages, writer, files: this.#files };
      return { ...found, writer, reader, retention: new Retention(this.#config, parts, deps) };
    } catch (error) {
      throw storeFailure(error, this.#place);
    }
  }

  /** One writer at a time; after a failure that the database does not survive it is reopened. */
  async #write(task: (opened: Opened) => Promise<void>): Promise<void> {
    await this.#writing.run(async () => {
      try {
        const { durable } = this.#books;
        await task(await this.#openedAgain());
        // That nothing had to be written says nothing about whether it could be.
        if (this.#books.durable > durable) {
          this.#failure = undefined;
          // The log is a new file after each checkpoint.
          this.#files?.protect();
        }
      } catch (error) {
        const failure = storeFailure(error, this.#place);
        this.#failure = failure;
        await this.#recover(error, failure);
        throw failure;
      }
    });
  }

  /** What can be done about a failed write, so that the next one has a better chance. */
  async #recover(error: unknown, failure: Error): Promise<void> {
    const cause = isCorrupt(error) ? error : failure.cause;
    if (isCorrupt(cause)) await this.#leaveOutDamaged(cause);
    const isGone = hasCode(failure, STORE_ERRORS.removed);
    if (isGone || isFatal(error) || isFatal(failure.cause)) await this.#reopen();
    if (!hasCode(failure, STORE_ERRORS.diskFull)) return;
    // Old flows make room. On a disk that is full to the last byte not even that can be written.
    await this.#opened?.retention.enforce().catch((reason: unknown) => {
      this.#deps.log.warn({ component: 'store', error: explain(reason) }, 'no room could be made');
    });
  }

  async #reopen(): Promise<void> {
    const broken = this.#opened;
    this.#opened = undefined;
    if (broken !== undefined) {
      await broken.writer.abandon();
      // Queries hold on to the file, whose log would then be taken for that of the new one.
      await broken.reader.drain();
      close(broken);
    }
    await this.#tryOpen();
  }

  async #tryOpen(): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      this.#opened = await this.#open();
      log.warn({ component: 'store' }, 'the database was opened again');
    } catch (error) {
      this.#openFailedMs = clock.monotonicMs();
      this.#failure = error;
      log.error({ component: 'store', error: explain(error) }, 'store stays closed');
    }
  }

  /** After a failure the store is closed until it can be opened, which is tried now and then. */
  async #openedAgain(): Promise<Opened> {
    const waitedMs = this.#deps.clock.monotonicMs() - this.#openFailedMs;
    if (this.#opened === undefined && this.#isStarted && waitedMs >= REOPEN_EVERY_MS) {
      await this.#tryOpen();
    }
    return this.#require();
  }

  #require(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw storeError(STORE_ERRORS.stopped, 'the store is not open', { cause: this.#failure });
  }

  /** Work of a timer: nobody awaits it, so its failure is logged and shown by `status`. */
  #background(work: 'flush' | 'retention'): void {
    const opened = this.#opened;
    const isLost = this.#files !== undefined && this.#files.identity() !== this.#identity;
    // Rows that came since the last tick wait for the next: a fast stream commits by row groups.
    const isEarly = (opened?.writer.stagedMs ?? 0) < this.#config.flushIntervalMs / 2;
    if (work === 'flush' && opened !== undefined && isEarly && !isLost) return;
    const waitedMs = this.#deps.clock.monotonicMs() - this.#openFailedMs;
    if (opened === undefined && waitedMs < REOPEN_EVERY_MS) return;
    void this.#write((current) => {
      if (isLost && current === opened) throw fileRemoved(this.#place);
      return work === 'flush' ? current.writer.commit() : current.retention.enforce();
    }).catch((error: unknown) => {
      this.#deps.log.error({ component: 'store', work, error: explain(error) }, 'store failed');
    });
  }

  /** Staged rows become visible; if they are lost, the query answers without them. */
  async #showStaged(): Promise<void> {
    if ((this.#opened?.writer.staged ?? 0) === 0) return;
    try {
      await this.flush();
    } catch (error) {
      this.#deps.log.error({ component: 'store', error: explain(error) }, 'staged rows are lost');
    }
  }

  async #leaveOutDamaged(error: unknown): Promise<boolean> {
    const opened = this.#require();
    const session = await opened.database.connect();
    try {
      const partition = await opened.catalog.leaveOut(session, error);
      if (partition === undefined) return false;
      const fields = { component: 'store', partition: partition.number, error: explain(error) };
      this.#deps.log.error(fields, 'a partition is damaged and left out, the others are served');
      return true;
    } finally {
      session.close();
    }
  }
}

function close({ session, database }: OpenedDatabase): void {
  session.close();
  database.close();
}
