import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../errors.ts';

/** Datagrams to one peer, from one port. After a failure it is of no use any more. */
export class UdpSender implements Disposable {
  readonly #socket: Socket;
  readonly #peer: string;
  #failure: Error | undefined;

  private constructor(socket: Socket, peer: string) {
    this.#socket = socket;
    this.#peer = peer;
    // Connected sockets are told when the peer's host has nobody at that port.
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.unref();
  }

  /** Resolves names; the signal ends waiting. */
  static async open(host: string, port: number, signal: AbortSignal): Promise<UdpSender> {
    const peer = `${host}:${port}`;
    let socket: Socket | undefined;
    try {
      const { address, family } = await lookup(host);
      signal.throwIfAborted();
      socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      socket.connect(port, address);
      await once(socket, 'connect', { signal });
      return new UdpSender(socket, peer);
    } catch (cause) {
      socket?.close();
      throw new NetobservError(NET_ERRORS.connect, `${peer}: no UDP socket`, {
        cause,
        retryable: true,
      });
    }
  }

  /**
   * Resolves when the kernel has taken the datagram, which says nothing of the peer. Rejects when
   * it has not, or when an earlier one was turned away.
   */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#error(this.#failure));
        return;
      }
      this.#socket.send(bytes, (cause) => {
        if (cause === null) resolve();
        else reject(this.#error(cause));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  #error(cause: Error): NetobservError {
    return new NetobservError(NET_ERRORS.send, `${this.#peer}: a datagram was not sent`, {
      cause,
      retryable: true,
    });
  }
}
