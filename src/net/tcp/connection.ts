import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../errors.ts';

/** Time without traffic after which the kernel probes the peer. */
const KEEP_ALIVE_MS = 30_000;

/** A connection that is only written to. */
export class TcpConnection {
  readonly #socket: Socket;
  readonly #peer: string;
  #failure: Error | undefined;

  private constructor(socket: Socket, peer: string) {
    this.#socket = socket;
    this.#peer = peer;
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    // Input is not expected; it is read so that the peer's end of the connection is noticed.
    socket.resume();
    socket.on('end', () => {
      this.#failure ??= new Error('the peer has closed the connection');
      socket.destroy();
    });
  }

  /** Resolves names; the signal ends waiting. */
  static async open(host: string, port: number, signal: AbortSignal): Promise<TcpConnection> {
    const peer = `${host}:${port}`;
    const socket = connect({ host, port, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
    try {
      await once(socket, 'connect', { signal });
      return new TcpConnection(socket, peer);
    } catch (cause) {
      // Later errors are ignored.
      socket.on('error', () => undefined);
      socket.destroy();
      throw new NetobservError(NET_ERRORS.connect, `${peer}: no connection`, {
        cause,
        retryable: true,
      });
    }
  }

  /** False once writing cannot succeed any more. */
  get isOpen(): boolean {
    return this.#failure === undefined && this.#socket.writable;
  }

  /**
   * Resolves when the kernel has taken all bytes. After a rejection the peer lacks some of them.
   * An aborted signal ends the connection, since half a message may already be sent.
   */
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.destroy();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#socket.write(bytes, (cause) => {
        signal.removeEventListener('abort', onAbort);
        if (cause === undefined || cause === null) resolve();
        else reject(this.#error(this.#failure ?? cause));
      });
    });
  }

  /** Sends the written bytes, then closes. */
  async end(): Promise<void> {
    if (!this.#socket.writable) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.end(resolve);
    });
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #error(cause: Error): NetobservError {
    return new NetobservError(NET_ERRORS.send, `${this.#peer}: the connection is broken`, {
      cause,
      retryable: true,
    });
  }
}
