import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type kafkajs from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;

/**
 * The connections of one client of kafkajs. Left to itself it waits for brokers to answer and to
 * hang up before it lets go of them, so that a silent one would keep the program from ending.
 */
export class Sockets {
  readonly #open = new Set<Socket>();
  #isClosed = false;

  readonly open: kafkajs.ISocketFactory = ({ host, port, ssl, onConnect }) => {
    const socket = connectTo(decodeURIComponent(host), port, ssl, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#isClosed) socket.destroy(new Error('the client was given up'));
    return socket;
  };

  /** What has been written still leaves. */
  end(): void {
    this.#isClosed = true;
    for (const socket of this.#open) socket.destroySoon();
  }

  /** At once, amid requests and answers. */
  destroy(): void {
    this.#isClosed = true;
    for (const socket of this.#open) socket.destroy();
  }
}

/** What kafkajs is told of a broker: it takes all up to the first colon for the host. */
export function seedName(broker: string): string {
  const [, address, port] = /^\[(.+)\]:(\d+)$/.exec(broker) ?? [];
  return address === undefined ? broker : `${encodeURIComponent(address)}:${port}`;
}

function connectTo(
  host: string,
  port: number,
  ssl: kafkajs.ISocketFactoryArgs['ssl'],
  onConnect: () => void,
): Socket {
  if (!ssl) return connect({ host, port }, onConnect);
  // Names are sent along, without the dot that ends a whole one; addresses must not be.
  const servername = isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {};
  return connectTls({ host, port, ...servername, ...ssl }, onConnect);
}
