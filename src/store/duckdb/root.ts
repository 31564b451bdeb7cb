import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { explain, hasCode } from '../../base/errors.ts';
import { Lane } from '../../base/lane.ts';
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
import type { DatabaseOptions } from './database.ts';
import { fileRemoved, isCorrupt, isFatal, storeFailure } from './failures.ts';
import { StoreFiles } from './files.ts';
import { createStoreMetrics, type StoreMetrics } from './metrics.ts';
import { type OpenedDatabase, openAgain, openDatabase } from './opening.ts';
import { Questions } from './questions.ts';
import { Reader } from './reader.ts';
import { type PartitionBase, Retention } from './retention.ts';
import { statusOf } from './status.ts';
import { WriteHealth } from './write-health.ts';
import { Writer, type WriteTotals } from './writer.ts';

export interface DuckdbDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tables: TableSpace;
}

/** How often age and size are checked. */
const RETENTION_EVERY_MS = 30_000;

/** Time between attempts to open the database after a failure. */
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
  /** Whether flows are being stored right now; answers from memory. */
  readiness(): HealthState;
}

/** State that exists while the store is open. */
interface Opened extends OpenedDatabase {
  readonly ages: PartitionAges;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly retention: Retention;
}

/** Most writes that wait (timers add two each second, the sink few batches); more are refused. */
const WRITES_WAITING_MAX = 4096;

class OneFileStore implements DuckdbStore {
  readonly #config: DuckdbConfig;
  readonly #deps: DuckdbDeps;
  readonly #metrics: StoreMetrics;
  readonly #files: StoreFiles | undefined;
  readonly #place: string;
  readonly #questions: Questions;
  readonly #totals: WriteTotals = { durable: 0, lost: 0 };
  readonly #health: WriteHealth;
  readonly #writing = new Lane({ runningMax: 1, waitingMax: WRITES_WAITING_MAX });
  readonly #timers: Disposable[] = [];
  #opened: Opened | undefined;
  #isStarted = false;
  /** Inode of the open file. */
  #identity: number | undefined;
  #openFailedMs = Number.NEGATIVE_INFINITY;
  /** Set while the file is closed in order to be opened again. */
  #renewing: Promise<void> | undefined;
  /** Durable rows when the file was opened. */
  #renewedRows = 0;

  constructor(config: DuckdbConfig, deps: DuckdbDeps) {
    const { dataDir } = config;
    this.#config = config;
    this.#deps = deps;
    this.#metrics = createStoreMetrics(deps.metrics);
    this.#files = dataDir === undefined ? undefined : new StoreFiles(join(dataDir, DATABASE_FILE));
    this.#place = dataDir ?? 'memory';
    this.#health = new WriteHealth(deps.clock, this.#totals);
    this.#questions = new Questions({
      clock: deps.clock,
      metrics: this.#metrics,
      place: this.#place,
      opened: async () => {
        await this.#renewing;
        return this.#require();
      },
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
        // Folds the log into the file, so that the next start is quick.
        if (this.#files !== undefined && isIdle) await opened.session.checkpoint();
      } catch (error) {
        throw storeFailure(error, this.#place);
      } finally {
        // Closing waits for queries; a query that does not stop ends with the process.
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
        // While writing fails, each caller learns the outcome of its own rows.
        if (this.#health.failure !== undefined) await writer.commit();
      });
    } catch (error) {
      // The writer counts the rows that it received.
      if (!isTaken) {
        this.#totals.lost += rows;
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
    return { ...this.#totals };
  }

  readiness(): HealthState {
    const { failure } = this.#health;
    if (failure !== undefined) return { ok: false, reason: explain(failure) };
    return this.#opened === undefined
      ? { ok: false, reason: 'the store is not open' }
      : { ok: true };
  }

  async status(): Promise<StoreStatus> {
    const parts = {
      files: this.#files,
      opened: this.#opened,
      health: this.readiness(),
      lapse: this.#health.lapse,
      nowMs: this.#deps.clock.nowMs(),
    };
    return statusOf(parts, this.#metrics);
  }

  #options(): DatabaseOptions {
    return { ...this.#config, file: this.#files?.database };
  }

  async #open(): Promise<Opened> {
    const { log, clock } = this.#deps;
    try {
      const found = await openDatabase(this.#options(), this.#files, this.#place, {
        log,
        nowMs: () => clock.nowMs(),
      });
      const limits = {
        retentionMs: this.#config.retentionMs,
        spanMs: partitionSpanMs(this.#config),
      };
      return this.#join(found, new PartitionAges(clock, found.catalog.all, limits));
    } catch (error) {
      throw storeFailure(error, this.#place);
    }
  }

  #join(found: OpenedDatabase, ages: PartitionAges, base?: PartitionBase): Opened {
    const { log, clock } = this.#deps;
    const { database, session, catalog } = found;
    this.#identity = this.#files?.identity();
    this.#renewedRows = this.#totals.durable;
    const deps = {
      log,
      clock,
      metrics: this.#metrics,
      totals: this.#totals,
      isInPlace: () => this.#files?.identity() === this.#identity,
    };
    const place = { spanMs: partitionSpanMs(this.#config), place: this.#place };
    const writer = new Writer(session, { catalog, ages }, place, deps);
    const reader = new Reader(database, clock);
    const parts = { session, catalog, ages, writer, files: this.#files };
    const retention = new Retention(this.#config, parts, deps, base);
    return { ...found, ages, writer, reader, retention };
  }

  /** One writer at a time; reopens the database after a fatal failure. */
  async #write(task: (opened: Opened) => Promise<void>): Promise<void> {
    await this.#writing.run(async () => {
      try {
        const { durable } = this.#totals;
        await task(await this.#openedAgain());
        // Only written rows prove that writing works.
        if (this.#totals.durable > durable) {
          this.#health.succeeded();
          // The log is a new file after each checkpoint.
          this.#files?.protect();
        }
      } catch (error) {
        const failure = storeFailure(error, this.#place);
        this.#health.failed(failure);
        await this.#recover(error, failure);
        throw failure;
      }
    });
  }

  /** Repairs the cause of a failed write where possible, so that the next one may succeed. */
  async #recover(error: unknown, failure: Error): Promise<void> {
    const cause = isCorrupt(error) ? error : failure.cause;
    if (isCorrupt(cause)) await this.#leaveOutDamaged(cause);
    const isGone = hasCode(failure, STORE_ERRORS.removed);
    if (isGone || isFatal(error) || isFatal(failure.cause)) await this.#reopen();
    if (!hasCode(failure, STORE_ERRORS.diskFull)) return;
    // Dropping old flows makes room. On a completely full disk not even that can be written.
    await this.#opened?.retention.enforce().catch((reason: unknown) => {
      this.#deps.log.warn({ component: 'store', error: explain(reason) }, 'no room could be made');
    });
  }

  async #reopen(): Promise<void> {
    const broken = this.#opened;
    this.#opened = undefined;
    if (broken !== undefined) {
      await broken.writer.abandon();
      // Queries keep the file open, and its log would be taken for that of the new database. Two
      // databases on one file would corrupt it.
      while (!(await broken.reader.drain())) {
        this.#deps.log.warn({ component: 'store' }, 'a query does not end');
      }
      close(broken);
    }
    await this.#tryOpen();
  }

  /** Releases memory, without other effects. Not while a query runs: the next time is enough. */
  async #renew(opened: Opened): Promise<void> {
    const rows = this.#totals.durable - this.#renewedRows;
    if (this.#files === undefined || rows < this.#config.renewRows) return;
    await opened.writer.commit();
    if (!opened.reader.closeIfIdle()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#renewing = promise;
    const { catalog, ages, writer } = opened;
    try {
      await writer.abandon();
      catalog.lastIds = writer.lastIds;
      await opened.session.checkpoint();
      this.#opened = undefined;
      close(opened);
      const again = await openAgain(this.#options(), this.#files, catalog);
      this.#opened = this.#join(again, ages, opened.retention.base);
      this.#metrics.renewals.inc();
    } catch (error) {
      if (this.#opened === undefined) await this.#tryOpen();
      else await this.#reopen();
      throw error;
    } finally {
      this.#renewing = undefined;
      resolve();
    }
  }

  async #tryOpen(): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      this.#opened = await this.#open();
      log.warn({ component: 'store' }, 'the database was opened again');
    } catch (error) {
      this.#openFailedMs = clock.monotonicMs();
      this.#health.failed(error);
      log.error({ component: 'store', error: explain(error) }, 'store stays closed');
    }
  }

  /** After a failure the store stays closed until an attempt to open it succeeds. */
  async #openedAgain(): Promise<Opened> {
    const waitedMs = this.#deps.clock.monotonicMs() - this.#openFailedMs;
    if (this.#opened === undefined && this.#isStarted && waitedMs >= REOPEN_EVERY_MS) {
      await this.#tryOpen();
    }
    return this.#require();
  }

  #require(): Opened {
    if (this.#opened !== undefined) return this.#opened;
    throw storeError(STORE_ERRORS.stopped, 'the store is not open', {
      cause: this.#health.failure,
    });
  }

  /** Work of a timer: nothing awaits it, so its failure is logged and shown by `status`. */
  #background(work: 'flush' | 'retention'): void {
    const opened = this.#opened;
    const isLost = this.#files !== undefined && this.#files.identity() !== this.#identity;
    // Rows since the last tick wait for the next one: a fast stream commits by row groups.
    const isEarly = (opened?.writer.stagedMs ?? 0) < this.#config.flushIntervalMs / 2;
    if (work === 'flush' && opened !== undefined && isEarly && !isLost) return;
    const waitedMs = this.#deps.clock.monotonicMs() - this.#openFailedMs;
    if (opened === undefined && waitedMs < REOPEN_EVERY_MS) return;
    void this.#write((current) => {
      if (isLost && current === opened) throw fileRemoved(this.#place);
      return work === 'flush' ? current.writer.commit() : this.#tidy(current);
    }).catch((error: unknown) => {
      this.#deps.log.error({ component: 'store', work, error: explain(error) }, 'store failed');
    });
  }

  async #tidy(opened: Opened): Promise<void> {
    await opened.retention.enforce();
    await this.#renew(opened);
  }

  /** Makes staged rows visible; if they are lost, the query answers without them. */
  async #showStaged(): Promise<void> {
    if ((this.#opened?.writer.staged ?? 0) === 0) return;
    try {
      await this.flush();
    } catch (error) {
      this.#deps.log.error({ component: 'store', error: explain(error) }, 'staged rows are lost');
    }
  }

  async #leaveOutDamaged(error: unknown): Promise<boolean> {
    const { reader, catalog } = this.#require();
    const { signal } = new AbortController();
    const partition = await reader.query(signal, (session) => catalog.leaveOut(session, error));
    if (partition === undefined) return false;
    const fields = { component: 'store', partition: partition.number, error: explain(error) };
    this.#deps.log.error(fields, 'a partition is damaged and left out, the others are served');
    return true;
  }
}

function close({ session, database }: OpenedDatabase): void {
  session.close();
  database.close();
}
