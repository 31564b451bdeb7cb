import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { OvsdbSession, refused } from './session.ts';
import type { OvsdbRow } from './values.ts';

/** First pause before another attempt; it doubles up to the longest. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;
/** A server is probed this often. */
const PROBE_PERIOD_MS = 30_000;

/** Data that one client watches. */
export interface OvsdbOptions {
  /** Path of the server's unix socket. */
  readonly socket: string;
  /** As in the schema: `OVN_Northbound`. */
  readonly database: string;
  /** Columns by table. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
}

export interface OvsdbDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Current rows replace the known ones: called before the rows of a new connection. */
  onReset(): void;
  /** The current state of a row of a watched table; undefined: the row was deleted. */
  onRow(table: string, uuid: string, row: OvsdbRow | undefined): void;
  /** After the first rows of a connection and after each change. */
  onChange(): void;
}

/**
 * A database of Open vSwitch or OVN, kept up to date over its unix socket (RFC 7047). An outage is
 * logged once; the known rows are kept until the server is back.
 */
export class OvsdbClient {
  readonly #options: OvsdbOptions;
  readonly #deps: OvsdbDeps;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #session: OvsdbSession | undefined;
  #isCurrent = false;
  #outage = false;

  constructor(options: OvsdbOptions, deps: OvsdbDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Whether the rows match the database. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#session?.close(this.#stopping.signal.reason);
    await this.#running;
  }

  /** Results of the operations (RFC 7047 §5.2); rejects when one of them was refused. */
  async transact(operations: readonly OvsdbRow[]): Promise<readonly OvsdbRow[]> {
    if (this.#session === undefined) throw refused('not connected');
    const { database } = this.#options;
    const results = await this.#session.request('transact', [database, ...operations]);
    if (!Array.isArray(results)) throw refused(results);
    const failed = (results as readonly (OvsdbRow | null)[]).find(
      (each) => each?.error !== undefined,
    );
    if (failed !== undefined) throw refused(failed);
    return results as readonly OvsdbRow[];
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    const { socket, database } = this.#options;
    let pauseMs = RETRY_MIN_MS;
    while (!signal.aborted) {
      const startMs = clock.monotonicMs();
      const reason = await this.#connect(signal).catch((error: unknown) => error);
      if (signal.aborted) return;
      if (!this.#outage) {
        this.#outage = true;
        log.warn({ socket, database, why: explain(reason) }, 'database not reachable, trying on');
      }
      // After a stable connection, the first attempt comes soon.
      if (clock.monotonicMs() - startMs > RETRY_MAX_MS) pauseMs = RETRY_MIN_MS;
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, RETRY_MAX_MS);
    }
  }

  /** One connection, to its end; resolves with the reason for it. */
  async #connect(signal: AbortSignal): Promise<unknown> {
    const { clock, log, onReset } = this.#deps;
    const { socket, database, tables } = this.#options;
    const onUpdate = ([, updates]: readonly unknown[]): void => this.#apply(updates);
    const session = await OvsdbSession.open(socket, clock, { onUpdate }, signal);
    this.#session = session;
    const probe = clock.every(PROBE_PERIOD_MS, () => {
      // The end of the session shows whether it fails.
      session.request('echo', []).catch(() => undefined);
    });
    try {
      signal.throwIfAborted();
      const watched = Object.fromEntries(
        Object.entries(tables).map(([table, columns]) => [table, [{ columns }]]),
      );
      await session.request('monitor', [database, database, watched], (rows) => {
        onReset();
        this.#isCurrent = true;
        this.#apply(rows);
      });
      if (this.#outage) log.info({ socket, database }, 'database reachable again');
      this.#outage = false;
      return await session.closed;
    } finally {
      probe[Symbol.dispose]();
      this.#session = undefined;
      this.#isCurrent = false;
      session.close(signal.reason);
    }
  }

  /** `<table-updates>` of RFC 7047 §4.1.6: old and new state, by table and row. */
  #apply(updates: unknown): void {
    for (const [table, rows] of entriesOf(updates)) {
      for (const [uuid, update] of entriesOf(rows)) {
        const { new: row } = update as { readonly new?: OvsdbRow };
        this.#deps.onRow(table, uuid, row);
      }
    }
    this.#deps.onChange();
  }
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
