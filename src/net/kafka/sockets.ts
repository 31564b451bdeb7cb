import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type kafkajs from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;

/**
 * The connections of one kafkajs client. kafkajs itself waits for brokers to answer and to close
 * before it releases connections, so that a silent broker would keep the program from ending.
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

  /** Closes the connections after all written bytes are sent. */
  end(): void {
    this.#isClosed = true;
    for (const socket of this.#open) socket.destroySoon();
  }

  /** Closes at once, even in the middle of requests and answers. */
  destroy(): void {
    this.#isClosed = true;
    for (const socket of this.#open) socket.destroy();
  }
}

/** The name of a broker for kafkajs, which takes everything before the first colon for the host. */
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
  // TLS sends a name without its trailing dot; addresses must not be sent.
  const servername = isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {};
  return connectTls({ host, port, ...servername, ...ssl }, onConnect);
}
