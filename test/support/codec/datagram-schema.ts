import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { EnvelopeReader } from '../../../src/codec/exporters/envelope.ts';
import { ROOT } from '../source-tree.ts';
import type { Read } from './mutations.ts';

const page = readFileSync(join(ROOT, 'deploy', 'reference', 'datagrams.md'), 'utf8');

/** The message that `deploy/reference/datagrams.md` promises, as another program would use it. */
export const DatagramMessage = protobuf
  .parse(/```proto\n(.*?)```/s.exec(page)![1]!, { keepCase: true })
  .root.lookupType('Datagram');

/** Messages for mutations: of both families, and without what may be absent. */
export const ENVELOPE_SAMPLES: readonly Uint8Array[] = [
  { address: Buffer.of(192, 0, 2, 1), port: 2055, received_ms: 1_700_000_000_123, listen_port: 9 },
  { address: Buffer.alloc(16, 32), received_ms: 1, payload: Buffer.alloc(40, 7) },
].map((fields) =>
  DatagramMessage.encode(DatagramMessage.fromObject({ version: 1, ...fields })).finish(),
);

export function envelopeReader(): Read {
  const reader = new EnvelopeReader();
  return (bytes, from, to) => {
    reader.open(bytes.slice(from, to));
    const { address, port, receivedMs, listenPort, payload } = reader;
    return [address, port, receivedMs, listenPort, payload].join(' ');
  };
}
