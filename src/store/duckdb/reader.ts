import type { Clock } from '../../base/clock.ts';
import { Lane } from '../../base/lane.ts';
import type { FieldKind, FieldSpec } from '../../flow/field.ts';
import type { TimeRange } from '../../query/ast.ts';
import {
  type DictionaryName,
  dictionaryOf,
  quoted,
  type SqlTables,
  type Statement,
  sqlType,
} from '../../query/sql.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import type { Partition } from './catalog.ts';
import type { Cell, Database, Session } from './database.ts';

/**
 * Queries that run at the same time. Each takes one of the four threads of Node's pool, and commits
 * need one, too.
 */
const QUERIES_MAX = 2;

/** Queries that wait for their turn. */
const WAITING_MAX = 64;

/** An interrupt before the query has begun is lost, so it is repeated. */
const INTERRUPT_EVERY_MS = 25;

/** How long closing the store waits for a query to end. */
const DRAIN_MAX_MS = 3000;

/** Runs queries on separate connections, a few at a time. */
export class Reader {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #lane = new Lane({ runningMax: QUERIES_MAX, waitingMax: WAITING_MAX });
  readonly #sessions = new Set<Session>();
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Lends a connection to `task`; the signal interrupts the task's statement. */
  async query<T>(signal: AbortSignal, task: (session: Session) => Promise<T>): Promise<T> {
    await this.#turn(signal);
    try {
      if (this.#closed) throw stopped();
      const session = await this.#database.connect();
      this.#sessions.add(session);
      try {
        return await this.#interruptible(session, signal, task);
      } finally {
        this.#sessions.delete(session);
        session.close();
      }
    } finally {
      this.#lane.leave();
      if (this.#lane.running === 0) this.#onIdle?.();
    }
  }

  /** Closes for further queries if none is running; true when it did. */
  closeIfIdle(): boolean {
    if (this.#lane.running === 0) this.#closed = true;
    return this.#closed;
  }

  /** Ends the queries that run or wait; false when one has not ended within `DRAIN_MAX_MS`. */
  async drain(): Promise<boolean> {
    this.#closed = true;
    if (this.#lane.running === 0) return true;
    return new Promise((resolve) => {
      let waitedMs = 0;
      const interrupt = (): void => {
        for (const session of this.#sessions) session.interrupt();
        waitedMs += INTERRUPT_EVERY_MS;
        if (waitedMs > DRAIN_MAX_MS) end(false);
      };
      const repeat = this.#clock.every(INTERRUPT_EVERY_MS, interrupt);
      const end = (isIdle: boolean): void => {
        repeat[Symbol.dispose]();
        resolve(isIdle);
      };
      this.#onIdle = () => end(true);
      interrupt();
    });
  }

  async #interruptible<T>(
    session: Session,
    signal: AbortSignal,
    task: (session: Session) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    let repeat: Disposable | undefined;
    const interrupt = (): void => {
      session.interrupt();
      repeat = this.#clock.every(INTERRUPT_EVERY_MS, () => session.interrupt());
    };
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      return await task(session);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', interrupt);
      repeat?.[Symbol.dispose]();
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    switch (await this.#lane.enter({ signal })) {
      case 'entered':
        return;
      case 'aborted':
        throw signal.reason;
      case 'full':
        throw storeError(
          STORE_ERRORS.busy,
          `${WAITING_MAX} queries are waiting for the store already; ask again later`,
          { retryable: true },
        );
    }
  }
}

function stopped() {
  return storeError(STORE_ERRORS.stopped, 'the store was closed while the query waited');
}

/** The tables of the partitions that may hold flows of a time range. */
export function tablesOf(partitions: readonly Partition[], range: TimeRange): SqlTables {
  const used = partitions.filter(
    ({ oldestMs, newestMs }) => newestMs >= range.startMs && oldestMs < range.endMs,
  );
  return {
    facts(fields) {
      if (used.length === 0) {
        const columns = fields.map((field) => absentColumn(field)).join(', ');
        return `(SELECT ${columns} WHERE false)`;
      }
      const selects = used.map(({ number, columns }) => {
        const selected = fields.map((field) => storedColumn(field, columns)).join(', ');
        return `SELECT ${selected} FROM facts_${number}`;
      });
      return `(${selects.join(' UNION ALL ')})`;
    },
    dictionary(name) {
      if (used.length === 0) return EMPTY_DICTIONARY;
      const selects = used.map(({ number }) => `SELECT * FROM ${name}_${number}`);
      return `(${selects.join(' UNION ALL ')})`;
    },
  };
}

const EMPTY_DICTIONARY =
  "(SELECT 0::UINTEGER AS id, ''::VARCHAR AS value, 0::UHUGEINT AS bits WHERE false)";

function storedColumn(field: FieldSpec, columns: ReadonlyMap<string, FieldKind>): string {
  return columns.has(field.name) ? quoted(field.name) : absentColumn(field);
}

function absentColumn({ name, kind }: FieldSpec): string {
  const value = dictionaryOf(kind) === undefined ? 'NULL' : '0';
  return `${value}::${sqlType(kind)} AS ${quoted(name)}`;
}

/** The statement that looks up the values of ids; the ids are passed as one text. */
export function printNames(
  tables: SqlTables,
  dictionary: DictionaryName,
  ids: Iterable<number>,
): Statement {
  return {
    sql:
      `SELECT id, value FROM ${tables.dictionary(dictionary)} AS d ` +
      "WHERE id IN (SELECT unnest(string_split($1::VARCHAR, ','))::UINTEGER)",
    params: [[...ids].join(',')],
  };
}

export type Rows = readonly (readonly Cell[])[];
