import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { IpfixReader } from '../codec/ipfix-reader.ts';
import { GrpcCollector } from '../net/grpc-collector.ts';

/** octetDeltaCount. */
const OCTETS = '1';

/** A real receiver on a port of this host. */
export interface Receiver {
  readonly port: number;
  /** Marks of the received flows, repeated once for each arrival. */
  marks(): readonly number[] | Promise<readonly number[]>;
}

export async function grpcReceiver(): Promise<Receiver> {
  const collector = new GrpcCollector();
  await collector.start();
  onTestFinished(() => collector.kill());
  return { port: collector.port, marks: () => collector.flows.map(({ bytes }) => bytes) };
}

/** Receives lines of JSON. */
export async function httpReceiver(): Promise<Receiver> {
  const marks: number[] = [];
  const server = createHttpServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const lines = Buffer.concat(parts).toString().trimEnd().split('\n');
      marks.push(...lines.map((line) => Number(JSON.parse(line).Bytes)));
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, marks: () => marks };
}

/** Splits IPFIX messages by their own length. */
export async function ipfixReceiver(): Promise<Receiver> {
  const marks: number[] = [];
  const server = createServer((socket) => {
    const reader = new IpfixReader();
    let waiting = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => {
      waiting = Buffer.concat([waiting, piece]);
      while (waiting.length >= 4 && waiting.length >= waiting.readUInt16BE(2)) {
        const length = waiting.readUInt16BE(2);
        const { records } = reader.read(waiting.subarray(0, length));
        marks.push(...records.map((record) => Number(record.get(OCTETS))));
        waiting = waiting.subarray(length);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, marks: () => marks };
}
