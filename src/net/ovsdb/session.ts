import { connect, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { NetobservError } from '../../base/errors.ts';
import { OVSDB_ERRORS } from './errors.ts';
import { JsonStream } from './json-stream.ts';

/** Time for the server to accept and to answer: it may have to print a large table. */
const CONNECT_TIMEOUT_MS = 5000;
const REPLY_TIMEOUT_MS = 30_000;
/** Requests that wait for their answer. */
const PENDING_MAX = 64;

interface Pending {
  readonly onResult: (result: unknown) => void;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface SessionEvents {
  /** A change of watched data: the parameters of `update`. */
  onUpdate(parameters: readonly unknown[]): void;
}

/** One connection: requests, their answers, and the server's notifications (RFC 7047 §4). */
export class OvsdbSession {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #events: SessionEvents;
  readonly #pending = new Map<number, Pending>();
  readonly #closed = Promise.withResolvers<unknown>();
  readonly #ended = new AbortController();
  #nextId = 1;

  private constructor(socket: Socket, clock: Clock, events: SessionEvents) {
    this.#socket = socket;
    this.#clock = clock;
    this.#events = events;
    const stream = new JsonStream((value) => this.#receive(value));
    socket.on('data', (chunk: Buffer) => {
      try {
        stream.push(chunk);
      } catch (error) {
        this.close(error);
      }
    });
    socket.on('error', (error) => this.close(error));
    socket.on('close', () => this.close(lost('the server hung up')));
  }

  /** Rejects when the server cannot be reached in time, or the signal is aborted. */
  static async open(
    path: string,
    clock: Clock,
    events: SessionEvents,
    signal: AbortSignal,
  ): Promise<OvsdbSession> {
    signal.throwIfAborted();
    const socket = connect(path);
    const opened = Promise.withResolvers<void>();
    const onAbort = (): void => opened.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = new AbortController();
    socket.once('connect', () => opened.resolve());
    socket.once('error', opened.reject);
    const late = clock.sleep(CONNECT_TIMEOUT_MS, timer.signal).then(
      () => opened.reject(lost(`no connection after ${CONNECT_TIMEOUT_MS} ms`)),
      () => undefined,
    );
    try {
      await opened.promise;
      return new OvsdbSession(socket, clock, events);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      timer.abort();
      await late;
    }
  }

  /** Resolves with the reason when the connection has ended. */
  get closed(): Promise<unknown> {
    return this.#closed.promise;
  }

  /** `onResult` runs before any later message of the server is processed. */
  async request(
    method: string,
    parameters: readonly unknown[],
    onResult: (result: unknown) => void = () => undefined,
  ): Promise<unknown> {
    if (this.#ended.signal.aborted) throw lost('the connection has ended');
    if (this.#pending.size >= PENDING_MAX) throw lost(`${PENDING_MAX} requests are unanswered`);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject, onResult });
    this.#socket.write(JSON.stringify({ method, params: parameters, id }));
    const answered = new AbortController();
    const signal = AbortSignal.any([answered.signal, this.#ended.signal]);
    const late = this.#clock.sleep(REPLY_TIMEOUT_MS, signal).then(
      () => this.close(lost(`no answer to ${method} after ${REPLY_TIMEOUT_MS} ms`)),
      () => undefined,
    );
    try {
      return await promise;
    } finally {
      answered.abort();
      await late;
    }
  }

  close(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#socket.destroy();
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
    this.#closed.resolve(reason);
  }

  #receive(value: unknown): void {
    const { method, params, id, result, error } = value as Record<string, unknown>;
    if (typeof method === 'string') {
      const parameters = Array.isArray(params) ? (params as readonly unknown[]) : [];
      // Servers end connections on which `echo` is not answered.
      if (method === 'echo') {
        this.#socket.write(JSON.stringify({ result: parameters, error: null, id }));
      } else if (method === 'update') {
        this.#events.onUpdate(parameters);
      }
      return;
    }
    const pending = typeof id === 'number' ? this.#pending.get(id) : undefined;
    if (pending === undefined) return;
    this.#pending.delete(id as number);
    if (error !== null && error !== undefined) {
      pending.reject(refused(error));
      return;
    }
    pending.onResult(result);
    pending.resolve(result);
  }
}

/** Converts the server's error: `{ error: 'constraint violation', details: … }` or a text. */
export function refused(error: unknown): NetobservError {
  return new NetobservError(
    OVSDB_ERRORS.refused,
    `the database refused a request: ${JSON.stringify(error)}`,
    { details: { error } },
  );
}

function lost(what: string): NetobservError {
  return new NetobservError(OVSDB_ERRORS.connection, what, { retryable: true });
}
