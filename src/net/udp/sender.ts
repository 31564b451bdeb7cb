import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { NetobservError } from '../../base/errors.ts';
import { NET_ERRORS } from '../errors.ts';
import type { PeerAddress } from './peer-address.ts';

/** Datagrams to one peer, from one port. Unusable after a failure. */
export class UdpSender implements Disposable {
  readonly #socket: Socket;
  readonly address: string;
  readonly #peer: string;
  #failure: Error | undefined;

  private constructor(socket: Socket, address: string, peer: string) {
    this.#socket = socket;
    this.address = address;
    this.#peer = peer;
    // The kernel reports to connected sockets that no process listens at the peer's port.
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.unref();
  }

  /** The signal ends waiting. */
  static async open(addresses: PeerAddress, port: number, signal: AbortSignal): Promise<UdpSender> {
    const peer = `${addresses.host}:${port}`;
    let socket: Socket | undefined;
    try {
      const address = await addresses.resolve();
      signal.throwIfAborted();
      socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
      socket.connect(port, address);
      await once(socket, 'connect', { signal });
      return new UdpSender(socket, address, peer);
    } catch (cause) {
      socket?.close();
      throw new NetobservError(NET_ERRORS.connect, `${peer}: no UDP socket`, {
        cause,
        retryable: true,
      });
    }
  }

  /**
   * Resolves when the kernel has taken the datagram; the peer may not have received it. Rejects
   * when the kernel has not taken it, or when the peer's host rejected an earlier one.
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
