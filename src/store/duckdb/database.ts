import { DuckDBConnection, DuckDBMaterializedResult } from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import type { Statement } from '../../query/sql.ts';
import { isCheckpointBusy } from './failures.ts';
import { StoreFiles } from './files.ts';
import { withPatientThreads } from './threads.ts';

/** A value of a result column; statistics and counters are cast to DOUBLE in the SQL. */
export type Cell = string | number | undefined;

export interface DatabaseOptions {
  /** Undefined: in memory. */
  readonly file: string | undefined;
  readonly memoryLimitBytes: number;
  readonly threads: number;
  /** Room for data that does not fit in memory while queries run; default: nothing is spilled. */
  readonly spillLimitBytes?: number;
  readonly isReadOnly?: boolean;
}

/** One open database file. Closing it is synchronous and also ends its connections. */
export class Database {
  readonly #database: duckdb.Database;

  private constructor(database: duckdb.Database) {
    this.#database = database;
  }

  static async open(options: DatabaseOptions): Promise<Database> {
    const config = duckdb.create_config();
    const settings: Readonly<Record<string, string>> = {
      threads: String(options.threads),
      memory_limit: kibibytes(options.memoryLimitBytes),
      // Nothing is loaded from outside, and no statement reads or writes other files.
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      preserve_insertion_order: 'false',
      // Committed rows stay in memory, uncompressed, until the log is folded into the file.
      checkpoint_threshold: '4MiB',
      // Memory is released at once instead of kept for later, and without a thread of its own.
      allocator_flush_threshold: '1MiB',
      ...(options.isReadOnly === true ? { access_mode: 'READ_ONLY' } : {}),
      ...(options.file === undefined
        ? { temp_directory: '' }
        : {
            temp_directory: new StoreFiles(options.file).spill,
            max_temp_directory_size: kibibytes(options.spillLimitBytes ?? 0),
          }),
    };
    for (const [name, value] of Object.entries(settings)) duckdb.set_config(config, name, value);
    const open = (): Promise<duckdb.Database> => duckdb.open(options.file ?? ':memory:', config);
    return new Database(await withPatientThreads(open));
  }

  async connect(): Promise<Session> {
    return new Session(await duckdb.connect(this.#database));
  }

  close(): void {
    duckdb.close_sync(this.#database);
  }
}

/** One connection: statements run one after the other, off the main thread. */
export class Session {
  /** For appenders, which the higher-level API does not fill by columns. */
  readonly raw: duckdb.Connection;
  readonly #connection: DuckDBConnection;

  constructor(raw: duckdb.Connection) {
    this.raw = raw;
    this.#connection = new DuckDBConnection(raw);
  }

  /** The rows of the answer, as arrays in the order of the columns. */
  async run(sql: string, params: Statement['params'] = []): Promise<Cell[][]> {
    const result = await this.#connection.run(sql, params.map(bindable));
    return (await result.getRowsJS()).map((row) => row.map(cellOf));
  }

  /** Several statements without an answer. */
  async execute(sql: string): Promise<void> {
    new DuckDBMaterializedResult(await duckdb.query(this.raw, sql));
  }

  /** Folds the log into the file; false when running queries prevent that. */
  async checkpoint(): Promise<boolean> {
    try {
      await this.execute('CHECKPOINT');
      return true;
    } catch (error) {
      if (isCheckpointBusy(error)) return false;
      throw error;
    }
  }

  /** Interrupts the running statement, which then rejects. */
  interrupt(): void {
    this.#connection.interrupt();
  }

  close(): void {
    this.#connection.disconnectSync();
  }
}

/** A size in the form of a database setting. */
export function kibibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024)}KiB`;
}

/** The driver refuses whole numbers beyond 64 bits; no column contains any. */
const BINDABLE_MAX = 2 ** 63;

function bindable(value: string | number): string | number {
  if (typeof value === 'string' || Math.abs(value) < BINDABLE_MAX) return value;
  return value * Number.POSITIVE_INFINITY;
}

function cellOf(value: unknown): Cell {
  switch (typeof value) {
    case 'number':
    case 'string':
      return value;
    case 'bigint':
      return Number(value);
    case 'boolean':
      return value ? 1 : 0;
    default:
      return undefined;
  }
}
