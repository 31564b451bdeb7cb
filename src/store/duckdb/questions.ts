import type { Clock } from '../../base/clock.ts';
import { FIELDS } from '../../flow/fields.ts';
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
import type { Catalog } from './catalog.ts';
import type { Session } from './database.ts';
import { isCorrupt, isMissingTable, storeFailure } from './failures.ts';
import type { StoreMetrics } from './metrics.ts';
import { type Reader, tablesOf } from './reader.ts';
import { nameRows } from './rows.ts';

export interface QuestionsDeps {
  readonly clock: Clock;
  readonly metrics: StoreMetrics;
  readonly place: string;
  /** The open database; rejects with a coded error when none is open. */
  opened(): Promise<{ readonly reader: Reader; readonly catalog: Catalog }>;
  /** Makes appended rows visible. */
  showStaged(): Promise<void>;
  /** True when damaged parts have been left out, so that another attempt may succeed. */
  leaveOutDamaged(error: unknown): Promise<boolean>;
}

/** Damaged partitions that one query may find before it gives up. */
const DAMAGED_PER_QUERY_MAX = 32;
/** Partitions whose dropping may come in the way of one query. */
const DROPPED_PER_QUERY_MAX = 32;

type Task<T> = (session: Session, tables: SqlTables) => Promise<T>;

/** The store's answers. */
export class Questions {
  readonly #deps: QuestionsDeps;

  constructor(deps: QuestionsDeps) {
    this.#deps = deps;
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

  async #query<T>(
    kind: 'records' | 'metrics' | 'values',
    range: TimeRange,
    signal: AbortSignal,
    task: Task<T>,
  ): Promise<T> {
    const { clock, metrics, place } = this.#deps;
    const startedMs = clock.monotonicMs();
    signal.throwIfAborted();
    let result = 'failed';
    try {
      await this.#deps.showStaged();
      const answer = await this.#persist(range, signal, task);
      result = 'done';
      return answer;
    } catch (error) {
      if (signal.aborted) {
        result = 'cancelled';
        throw signal.reason;
      }
      throw storeFailure(error, place);
    } finally {
      metrics.queries.inc({ kind, result });
      metrics.querySeconds.observe({ kind }, (clock.monotonicMs() - startedMs) / 1000);
    }
  }

  /** Repeats the query when tables were dropped or left out meanwhile. */
  async #persist<T>(range: TimeRange, signal: AbortSignal, task: Task<T>): Promise<T> {
    for (let damaged = 0, dropped = 0; ; ) {
      try {
        return await this.#attempt(range, signal, task);
      } catch (error) {
        if (signal.aborted) throw error;
        if (isCorrupt(error) && damaged < DAMAGED_PER_QUERY_MAX) {
          damaged++;
          if (await this.#deps.leaveOutDamaged(error)) continue;
        }
        // Retention may drop a partition between the choice of tables and the query's snapshot.
        if (dropped === DROPPED_PER_QUERY_MAX || !isMissingTable(error)) throw error;
        dropped++;
      }
    }
  }

  async #attempt<T>(range: TimeRange, signal: AbortSignal, task: Task<T>): Promise<T> {
    const { reader, catalog } = await this.#deps.opened();
    return reader.query(signal, async (session) => {
      // In a transaction all statements see the same flows, and a dropped partition stays readable.
      await session.execute('BEGIN');
      try {
        return await task(session, tablesOf(catalog.partitions, range));
      } finally {
        await session.execute('ROLLBACK').catch(() => undefined);
      }
    });
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
