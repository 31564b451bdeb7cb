import { beforeEach, expect, test } from 'vitest';
import { message as layout, messageKind } from '../../../../src/agent/drain/layout.gen.ts';
import { MessageReader } from '../../../../src/agent/drain/messages.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { declareMetrics } from '../../../../src/agent/metrics.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { FakeKernel } from '../../../support/fake-kernel.ts';

/** A kernel whose ring is read in these pieces, the last of them again and again. */
class RingKernel extends FakeKernel {
  pieces: Uint8Array[] = [];
  reads = 0;

  override readRing(_object: BpfObject, _map: string, into: Uint8Array): number {
    this.reads++;
    const piece = this.pieces.length > 1 ? this.pieces.shift()! : this.pieces[0]!;
    into.set(piece);
    return piece.length;
  }
}

let kernel: RingKernel;
let reader: MessageReader;
let metrics: ReturnType<typeof createMetrics>;
const NOTHING = new Uint8Array(0);

beforeEach(() => {
  kernel = new RingKernel();
  metrics = createMetrics('');
  reader = new MessageReader(kernel, {} as BpfObject, declareMetrics(metrics, 'info'));
});

/** A record as readRing() leaves it, in a room that is larger than its payload. */
function record(kind: number, port: number, payload: string, claimed = payload.length): Buffer {
  const body = Buffer.alloc(layout.sizeBytes + payload.length + 5);
  body.writeUInt16LE(port, layout.key + 32);
  body.writeUInt32LE(claimed, layout.length);
  body[layout.kind] = kind;
  body.write(payload, layout.sizeBytes, 'latin1');
  const length = Buffer.alloc(8);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body, Buffer.alloc(-body.length & 7)]);
}

test('each kind goes to its reader, with its key and payload', () => {
  const got: string[] = [];
  for (const [name, kind] of Object.entries(messageKind)) {
    reader.on(kind, ({ bytes, words, key, from, to }) => {
      const port = words[key + 8]! & 0xffff;
      got.push(`${name} ${port} ${Buffer.from(bytes.subarray(from, to)).toString('latin1')}`);
    });
  }
  kernel.pieces = [
    Buffer.concat([record(messageKind.dns, 53, 'one'), record(messageKind.tls, 443, 'three')]),
    record(messageKind.dns, 54, ''),
    NOTHING,
  ];
  reader.read();
  expect(got).toEqual(['dns 53 one', 'tls 443 three', 'dns 54 ']);
  expect(kernel.reads).toBe(3);
});

test('what nobody reads, or contradicts itself, is counted', async () => {
  const got: number[] = [];
  reader.on(messageKind.dns, ({ from, to }) => got.push(to - from));
  kernel.pieces = [
    Buffer.concat([
      record(99, 1, 'unknown'),
      record(messageKind.dns, 1, 'short', 11),
      record(messageKind.dns, 1, 'right'),
    ]),
    NOTHING,
  ];
  reader.read();
  expect(got).toEqual([5]);
  expect(await metrics.registry.metrics()).toContain(
    'messages_total{kind="unknown",outcome="malformed"} 2',
  );
});

test('a ring that never empties does not hold up the drain', () => {
  kernel.pieces = [record(messageKind.dns, 53, 'again')];
  reader.read();
  expect(kernel.reads).toBe(32);
});

test('a kind has one reader', () => {
  reader.on(messageKind.dns, () => undefined);
  expect(() => reader.on(messageKind.dns, () => undefined)).toThrow(/one reader/);
});
