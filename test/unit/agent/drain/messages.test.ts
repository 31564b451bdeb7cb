import { beforeEach, expect, test } from 'vitest';
import { flowKey, messageKind } from '../../../../src/agent/drain/layout.gen.ts';
import { MessageReader } from '../../../../src/agent/drain/messages.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { MessageKernel, messageRecord } from '../../../support/kernel/message-kernel.ts';

let kernel: MessageKernel;
let reader: MessageReader;
let metrics: ReturnType<typeof createMetrics>;
const NOTHING = new Uint8Array(0);

beforeEach(() => {
  kernel = new MessageKernel();
  metrics = createMetrics('');
  reader = new MessageReader(kernel, {} as BpfObject, createAgentMetrics(metrics, 'info'));
});

function record(kind: number, port: number, payload: string, claimed?: number): Buffer {
  const key = Buffer.alloc(flowKey.sizeBytes);
  key.writeUInt16LE(port, flowKey.srcPort);
  return messageRecord(
    kind,
    key,
    Buffer.from(payload, 'latin1'),
    claimed === undefined ? {} : { claimed },
  );
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

test('what a head says besides is told, and the ring is read when it asks for that', () => {
  const got: number[][] = [];
  const watched: string[] = [];
  let wake = (): void => undefined;
  const watcher = {
    addRing(_object: BpfObject, map: string, onWake: () => void): void {
      watched.push(map);
      wake = onWake;
    },
  };
  // Nobody reads messages, so `watched` stays empty.
  reader.watch(watcher);
  expect(watched).toEqual([]);
  reader.on(messageKind.tls, ({ sequence, asked }) => got.push([sequence, asked]));
  reader.watch(watcher);
  expect(watched).toEqual(['messages_wake']);
  const key = Buffer.alloc(flowKey.sizeBytes);
  const options = { sequence: 0xffff_fff0, asked: 259 };
  kernel.leave(messageRecord(messageKind.tls, key, Buffer.from('x'), options));
  wake();
  expect(got).toEqual([[0xffff_fff0, 259]]);
});
