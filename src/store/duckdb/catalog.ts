import { explain } from '../../base/errors.ts';
import type { ColumnSpec } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import { FIELDS, fieldByName } from '../../flow/fields.ts';
import {
  type DictionaryName,
  dictionaryOf,
  LIST_SEPARATOR,
  quoted,
  sqlType,
  TIME_FIELD,
} from '../../query/sql.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import type { Session } from './database.ts';
import { damagedBlock, isCorrupt, isMissing } from './failures.ts';

/** Layout of the tables; a store with a higher version is left alone. */
const SCHEMA_VERSION = 1;

export const DICTIONARIES: readonly DictionaryName[] = ['strings', 'addresses', 'macs'];

const DICTIONARY_COLUMNS: Readonly<Record<DictionaryName, string>> = {
  strings: 'id UINTEGER, value VARCHAR',
  addresses: 'id UINTEGER, value VARCHAR, bits UHUGEINT',
  macs: 'id UINTEGER, value VARCHAR',
};

/**
 * Flows of a time span: a table of facts and the dictionaries of its ids, all dropped together.
 * Only the deletion of whole tables releases the space at once, including the values that only old
 * flows had.
 *
 * Ids are unique over the database. A value gets a new one in each partition, and after a restart.
 */
export interface Partition {
  readonly number: number;
  readonly startedMs: number;
  sealedMs: number | undefined;
  readonly columns: ReadonlyMap<string, FieldKind>;
  rows: number;
  /** Bounds of the flows' end times; infinite while there are none. */
  oldestMs: number;
  newestMs: number;
  /** Why it cannot be read, for people; it is then neither queried nor written to. */
  damage: string | undefined;
}

/** The partitions of a database, oldest first, and the views that join them. */
export class Catalog {
  readonly #partitions: Partition[] = [];
  /** Highest number among partitions and among tables with names like theirs. */
  #lastNumber = 0;
  /** False while a table of another tool has the name of a view. */
  #hasViews = true;
  /** Highest id given out by each dictionary. */
  lastIds: Record<DictionaryName, number> = { strings: 0, addresses: 0, macs: 0 };

  /** Partitions that are not damaged. */
  get partitions(): readonly Partition[] {
    return this.#partitions.filter(({ damage }) => damage === undefined);
  }

  /** All partitions, including damaged ones. */
  get all(): readonly Partition[] {
    return this.#partitions;
  }

  get last(): Partition | undefined {
    return this.#partitions.at(-1);
  }

  /** Reads the contents of a database, or prepares an empty one. */
  async load(session: Session, place: string): Promise<void> {
    await session.execute(
      'CREATE TABLE IF NOT EXISTS netobserv_store (version INTEGER);' +
        'CREATE TABLE IF NOT EXISTS partitions (number INTEGER, started_ms DOUBLE, sealed_ms DOUBLE)',
    );
    const [[version] = []] = await session.run('SELECT max(version) FROM netobserv_store');
    if (version === undefined) {
      await session.execute(`INSERT INTO netobserv_store VALUES (${SCHEMA_VERSION})`);
    } else if (version !== SCHEMA_VERSION) {
      throw storeError(
        STORE_ERRORS.version,
        `${place} has the layout ${version}, this version knows ${SCHEMA_VERSION}; ` +
          'use the version that wrote it, or choose another folder with --data',
        { details: { version } },
      );
    }
    const rows = await session.run(
      'SELECT number, min(started_ms), max(sealed_ms) FROM partitions ' +
        'WHERE number IS NOT NULL AND started_ms IS NOT NULL GROUP BY number ORDER BY number',
    );
    for (const [number, startedMs, sealedMs] of rows) {
      const partition = await this.#readWhole(session, Number(number), Number(startedMs));
      partition.sealedMs = sealedMs === undefined ? undefined : Number(sealedMs);
      this.#partitions.push(partition);
    }
    await this.#seeTables(session);
  }

  /** Other tools write to the file as well, and `partitions` may not list all tables. */
  async #seeTables(session: Session): Promise<void> {
    const tables = await session.run(
      "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'",
    );
    for (const [table] of tables) {
      const name = String(table);
      const number = /^(?:facts|strings|addresses|macs)_(\d{1,9})$/.exec(name)?.[1];
      this.#lastNumber = Math.max(this.#lastNumber, Number(number ?? 0));
      if (VIEWS.includes(name)) this.#hasViews = false;
    }
    this.#lastNumber = Math.max(this.#lastNumber, this.last?.number ?? 0);
  }

  /** Begins a partition with the given columns; the previous one takes no more rows. */
  async create(
    session: Session,
    columns: readonly ColumnSpec[],
    nowMs: number,
  ): Promise<Partition> {
    const previous = this.last;
    const number = this.#lastNumber + 1;
    const partition: Partition = {
      number,
      startedMs: nowMs,
      sealedMs: undefined,
      columns: new Map(columns.map(({ name, kind }) => [name, kind])),
      rows: 0,
      oldestMs: Number.POSITIVE_INFINITY,
      newestMs: Number.NEGATIVE_INFINITY,
      damage: undefined,
    };
    const facts = columns.map(({ name, kind }) => `${quoted(name)} ${sqlType(kind)}`).join(', ');
    const seal =
      previous === undefined || previous.sealedMs !== undefined
        ? []
        : [`UPDATE partitions SET sealed_ms = ${nowMs} WHERE number = ${previous.number}`];
    await inTransaction(session, [
      ...seal,
      `CREATE TABLE facts_${number} (${facts})`,
      ...DICTIONARIES.map((name) => `CREATE TABLE ${name}_${number} (${DICTIONARY_COLUMNS[name]})`),
      `INSERT INTO partitions VALUES (${number}, ${nowMs}, NULL)`,
      ...this.#views([...this.partitions, partition]),
    ]);
    this.#lastNumber = number;
    if (previous !== undefined) previous.sealedMs ??= nowMs;
    this.#partitions.push(partition);
    return partition;
  }

  async drop(session: Session, partition: Partition): Promise<void> {
    const place = this.#partitions.indexOf(partition);
    // Before the tables go: a query that begins now must not choose them.
    this.#partitions.splice(place, 1);
    try {
      await this.#dropTables(session, partition);
    } catch (error) {
      this.#partitions.splice(place, 0, partition);
      throw error;
    }
  }

  async #dropTables(session: Session, { number }: Partition): Promise<void> {
    const views = this.#views(this.partitions);
    const forget = `DELETE FROM partitions WHERE number = ${number}`;
    const drops = ['facts', ...DICTIONARIES].map(
      (name) => `DROP TABLE IF EXISTS ${name}_${number}`,
    );
    try {
      await inTransaction(session, [...views, ...drops, forget]);
    } catch (error) {
      // Its space is lost, but later partitions must be dropped in time.
      if (!isCorrupt(error)) throw error;
      await inTransaction(session, [...views, forget]);
    }
  }

  /**
   * Leaves out the partition with the damaged block, and returns it. Undefined: the damage is
   * somewhere else.
   */
  async leaveOut(session: Session, error: unknown): Promise<Partition | undefined> {
    const block = damagedBlock(error);
    if (block === undefined) return undefined;
    for (const partition of this.partitions) {
      const tables = ['facts', ...DICTIONARIES].map((name) => `${name}_${partition.number}`);
      for (const table of tables) {
        if (!(await hasBlock(session, table, block))) continue;
        partition.damage = explain(error);
        return partition;
      }
    }
    return undefined;
  }

  #views(partitions: readonly Partition[]): readonly string[] {
    return this.#hasViews ? viewsOf(partitions) : [];
  }

  /** An unreadable partition keeps its place, and is dropped in its turn. */
  async #readWhole(session: Session, number: number, startedMs: number): Promise<Partition> {
    try {
      return await this.#read(session, number, startedMs);
    } catch (error) {
      if (!isCorrupt(error) && !isMissing(error)) throw error;
      return {
        number,
        startedMs,
        sealedMs: undefined,
        columns: new Map(),
        rows: 0,
        oldestMs: Number.POSITIVE_INFINITY,
        newestMs: Number.NEGATIVE_INFINITY,
        damage: explain(error),
      };
    }
  }

  async #read(session: Session, number: number, startedMs: number): Promise<Partition> {
    const described = await session.run(
      'SELECT column_name, data_type FROM duckdb_columns() ' +
        "WHERE table_name = $1 AND schema_name = 'main' ORDER BY column_index",
      [`facts_${number}`],
    );
    const columns = new Map<string, FieldKind>();
    for (const [name, type] of described) {
      const field = fieldByName(String(name));
      // A field that was removed, or has another kind now, is not read any more.
      if (field !== undefined && sqlType(field.kind) === type) columns.set(field.name, field.kind);
    }
    const time = quoted(TIME_FIELD);
    const [[rows, oldest, newest] = []] = await session.run(
      `SELECT count(*), min(${time}), max(${time}) FROM facts_${number}`,
    );
    for (const name of DICTIONARIES) {
      const [[id] = []] = await session.run(`SELECT max(id) FROM ${name}_${number}`);
      this.lastIds[name] = Math.max(this.lastIds[name], Number(id ?? 0));
    }
    return {
      number,
      startedMs,
      sealedMs: undefined,
      columns,
      rows: Number(rows),
      oldestMs: Number(oldest ?? Number.POSITIVE_INFINITY),
      newestMs: Number(newest ?? Number.NEGATIVE_INFINITY),
      damage: undefined,
    };
  }
}

/** Also true when the list of the table's blocks is in the damaged block. */
async function hasBlock(session: Session, table: string, block: number): Promise<boolean> {
  try {
    const found = await session.run(
      `SELECT 1 FROM pragma_storage_info('${table}') WHERE block_id = $1::BIGINT ` +
        'OR list_contains(additional_block_ids, $1::BIGINT) LIMIT 1',
      [block],
    );
    return found.length > 0;
  } catch (error) {
    if (isCorrupt(error)) return damagedBlock(error) === block;
    throw error;
  }
}

/** All or nothing: a failure leaves no transaction open. */
async function inTransaction(session: Session, statements: readonly string[]): Promise<void> {
  await session.execute('BEGIN');
  try {
    for (const statement of statements) await session.execute(statement);
    await session.execute('COMMIT');
  } catch (error) {
    await session.execute('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * For users and their tools: `string_dict`, `address_dict`, `mac_dict`, and `flows` with the
 * external names and values. The look-up of a column costs nothing unless a query reads the column.
 */
function viewsOf(partitions: readonly Partition[]): readonly string[] {
  if (partitions.length === 0) {
    return VIEWS.map((view) => `DROP VIEW IF EXISTS ${view}`);
  }
  const union = (table: string): string =>
    partitions.map(({ number }) => `SELECT * FROM ${table}_${number}`).join(' UNION ALL BY NAME ');
  const kinds = new Map(partitions.flatMap(({ columns }) => [...columns]));
  const columns = FIELDS.flatMap(({ name }) => {
    const kind = kinds.get(name);
    return kind === undefined ? [] : [`${viewColumn(name, kind)} AS ${quoted(name)}`];
  });
  return [
    ...DICTIONARIES.map((name) => `CREATE OR REPLACE VIEW ${VIEW_NAMES[name]} AS ${union(name)}`),
    `CREATE OR REPLACE VIEW flows AS SELECT ${columns.join(', ')} FROM (${union('facts')}) AS f`,
  ];
}

const VIEW_NAMES: Readonly<Record<DictionaryName, string>> = {
  strings: 'string_dict',
  addresses: 'address_dict',
  macs: 'mac_dict',
};

const VIEWS: readonly string[] = ['flows', ...Object.values(VIEW_NAMES)];

function viewColumn(name: string, kind: FieldKind): string {
  const column = `f.${quoted(name)}`;
  const dictionary = dictionaryOf(kind);
  if (dictionary === undefined) return column;
  const isList = kind === 'list<u32>' || kind === 'list<str>';
  const value = isList ? `string_split(value, chr(${LIST_SEPARATOR.charCodeAt(0)}))` : 'value';
  return `(SELECT ${value} FROM ${VIEW_NAMES[dictionary]} AS d WHERE d.id = ${column})`;
}
