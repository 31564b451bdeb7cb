import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Metrics } from './metrics.ts';

export interface ConnectionLimits {
  readonly connectionsMax: number;
  /** Per client address. Below the total, so that no client takes all connections. */
  readonly connectionsPerAddressMax: number;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Requests that are being answered. */
  answering: number;
  /** The most recent request. */
  request: IncomingMessage | undefined;
}

export interface OpenConnections {
  /** The TCP socket that TLS has wrapped; undefined when it is gone. */
  below(wrapped: Socket): Socket | undefined;
}

/**
 * Keeps a server open for others when one client takes up connections.
 *
 * At the limit, an idle connection is closed for a newcomer: one that has not sent a whole request,
 * or has had its answer, or does not read it. Among several, the oldest one of the address with the
 * most of them is closed. A newcomer is turned away only if all connections are busy.
 */
export function limitConnections(
  server: Server,
  { connectionsMax, connectionsPerAddressMax }: ConnectionLimits,
  onLimit: (what: 'closed' | 'refused') => void,
): OpenConnections {
  // In the order in which they were opened.
  const connections = new Map<string, Connection>();
  const countOf = (address: string): number => {
    let count = 0;
    for (const other of connections.values()) if (other.address === address) count++;
    return count;
  };

  /** False: the newcomer must go. */
  const makeRoom = (among: (connection: Connection) => boolean): boolean => {
    for (const connection of connections.values()) {
      if (!among(connection) || !isWaiting(connection)) continue;
      connections.delete(keyOf(connection.socket));
      connection.socket.destroy();
      onLimit('closed');
      return true;
    }
    return false;
  };

  server.on('connection', (socket: Socket) => {
    const { remoteAddress: address = '' } = socket;
    const isOfSame = (other: Connection): boolean => other.address === address;
    const hasRoom =
      countOf(address) >= connectionsPerAddressMax
        ? makeRoom(isOfSame)
        : connections.size < connectionsMax ||
          makeRoom(ofGreediest(connections)) ||
          makeRoom(() => true);
    if (!hasRoom) {
      onLimit('refused');
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    connections.set(key, { socket, address, answering: 0, request: undefined });
    socket.once('close', () => {
      if (connections.get(key)?.socket === socket) connections.delete(key);
    });
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const connection = connections.get(keyOf(request.socket));
    if (connection === undefined) return;
    connection.request = request;
    connection.answering++;
    response.once('close', () => connection.answering--);
  });
  return { below: (wrapped) => connections.get(keyOf(wrapped))?.socket };
}

/** TLS wraps sockets, so the object differs; both addresses and ports stay the same. */
function keyOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

function isWaiting({ socket, answering, request }: Connection): boolean {
  // A request whose body does not arrive, or whose answer is not read, is not in progress.
  return answering === 0 || request?.complete === false || socket.writableLength > 0;
}

function ofGreediest(connections: ReadonlyMap<string, Connection>) {
  const waiting = [...connections.values()].filter(isWaiting);
  const counts = new Map<string, number>();
  for (const { address } of waiting) counts.set(address, (counts.get(address) ?? 0) + 1);
  let greediest = '';
  let most = 0;
  for (const [address, count] of counts) {
    if (count > most) [greediest, most] = [address, count];
  }
  return ({ address }: Connection): boolean => address === greediest;
}

export function createConnectionMetrics(metrics: Metrics) {
  return metrics.counter<'server' | 'outcome'>(
    'http_limited_connections_total',
    'Connections closed while they waited, to make room for others, or refused as all were busy',
    ['server', 'outcome'],
  );
}
