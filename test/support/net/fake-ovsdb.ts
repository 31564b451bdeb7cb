import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { JsonStream } from '../../../src/net/ovsdb/json-stream.ts';
import type { OvsdbRow } from '../../../src/net/ovsdb/values.ts';

interface Request {
  readonly method?: string;
  readonly params?: readonly unknown[];
  readonly id?: unknown;
  readonly result?: unknown;
}

/**
 * A database server after RFC 7047 on a unix socket, limited to the functions of a client that
 * watches tables, inserts and deletes rows.
 */
export class FakeOvsdb implements AsyncDisposable {
  readonly path: string;
  readonly requests: Request[] = [];
  /** Clients' answers to `echo`. */
  readonly echoes: Request[] = [];
  /** Requests that are received but not answered. */
  mute = false;
  readonly #tables = new Map<string, Map<string, OvsdbRow>>();
  readonly #watched = new Map<Socket, { id: unknown; tables: Readonly<Record<string, unknown>> }>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<void> {
    this.#server = createServer((socket) => this.#serve(socket)).listen(this.path);
    await once(this.#server, 'listening');
  }

  /** Ends all connections and keeps the rows. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    for (const socket of this.#sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  rows(table: string): readonly OvsdbRow[] {
    return [...(this.#tables.get(table)?.values() ?? [])];
  }

  ids(table: string): readonly string[] {
    return [...(this.#tables.get(table)?.keys() ?? [])];
  }

  /** Adds, changes or, without a row, removes; notifies the watchers. Returns the row's id. */
  set(table: string, row: OvsdbRow | undefined, uuid: string = randomUUID()): string {
    const rows = this.#tables.get(table) ?? new Map<string, OvsdbRow>();
    this.#tables.set(table, rows);
    const old = rows.get(uuid);
    if (row === undefined) rows.delete(uuid);
    else rows.set(uuid, row);
    const change = {
      ...(old === undefined ? {} : { old }),
      ...(row === undefined ? {} : { new: row }),
    };
    for (const [socket, { id, tables }] of this.#watched) {
      if (!(table in tables)) continue;
      const params = [id, { [table]: { [uuid]: change } }];
      socket.write(JSON.stringify({ method: 'update', params, id: null }));
    }
    return uuid;
  }

  /** Sends an echo request to every client. */
  probe(): void {
    for (const socket of this.#sockets) {
      socket.write(JSON.stringify({ method: 'echo', params: ['there?'], id: 'echo' }));
    }
  }

  /** Sends any bytes to every client. */
  say(text: string): void {
    for (const socket of this.#sockets) socket.write(text);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#watched.delete(socket);
    });
    socket.on('error', () => socket.destroy());
    const stream = new JsonStream((value) => this.#answer(socket, value as Request));
    socket.on('data', (chunk: Buffer) => stream.push(chunk));
  }

  #answer(socket: Socket, request: Request): void {
    const { method, params = [], id } = request;
    if (method === undefined) {
      this.echoes.push(request);
      return;
    }
    this.requests.push(request);
    if (this.mute) return;
    const reply = (result: unknown): void => {
      socket.write(JSON.stringify({ result, error: null, id }));
    };
    if (method === 'echo') reply(params);
    else if (method === 'monitor') reply(this.#watch(socket, params));
    else if (method === 'transact')
      reply(params.slice(1).map((each) => this.#operate(each as OvsdbRow)));
    else socket.write(JSON.stringify({ result: null, error: 'unknown method', id }));
  }

  #watch(socket: Socket, [, id, tables]: readonly unknown[]): unknown {
    const wanted = tables as Readonly<Record<string, unknown>>;
    this.#watched.set(socket, { id, tables: wanted });
    return Object.fromEntries(
      Object.keys(wanted).map((table) => [
        table,
        Object.fromEntries(
          [...(this.#tables.get(table) ?? [])].map(([uuid, row]) => [uuid, { new: row }]),
        ),
      ]),
    );
  }

  #operate(operation: OvsdbRow): OvsdbRow {
    const table = String(operation.table);
    if (operation.op === 'insert') {
      return { uuid: ['uuid', this.set(table, operation.row as OvsdbRow)] };
    }
    if (operation.op !== 'delete') return { error: 'unknown operation' };
    const where = operation.where as readonly (readonly [string, string, unknown])[];
    const matching = [...(this.#tables.get(table) ?? [])].filter(([, row]) =>
      where.every(([column, , value]) => JSON.stringify(row[column]) === JSON.stringify(value)),
    );
    for (const [uuid] of matching) this.set(table, undefined, uuid);
    return { count: matching.length };
  }
}
