import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordEncoder } from '../../../../src/codec/pbflow/encoder.ts';
import {
  divide,
  type KafkaMessage,
  KEY_BYTES,
  type RequestLimits,
  requestsByKey,
  requestsOf,
} from '../../../../src/deliver/encoders/kafka.ts';
import type { FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { Row } from '../../../../src/flow/row.ts';
import { fnv1a32, partitionOf } from '../../../../src/net/kafka/partition.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';

const LAYOUT = layoutFor(['SrcAddr', 'DstAddr', 'Bytes', 'Packets', 'Interfaces']);
const NO_LIMITS: RequestLimits = { messagesMax: 1e9, bytesMax: 1e9 };

interface Sent {
  readonly key: string;
  readonly value: string;
}

function encoded(batch: FlowBatch): RecordEncoder {
  const encoder = new RecordEncoder('bare');
  encoder.encode(batch);
  return encoder;
}

function requests(batch: FlowBatch, partitions: number, limits: Partial<RequestLimits> = {}) {
  return requestsOf(batch, encoded(batch), partitions, { ...NO_LIMITS, ...limits });
}

const batchFor = (rows: readonly Row[]): FlowBatch =>
  batchOf(LAYOUT, new TableSpace().current, rows);

function sentIn({ flows }: KafkaMessage): readonly Sent[] {
  const { keys, values, offsets, hashes } = flows;
  return Array.from(hashes, (_, r) => ({
    key: Buffer.from(keys.subarray(r * KEY_BYTES, (r + 1) * KEY_BYTES)).toString('hex'),
    value: Buffer.from(values.subarray(offsets[r]!, offsets[r + 1]!)).toString('hex'),
  }));
}

const V4 = '00000000000000000000ffff';

test.each<readonly [string, Row, string]>([
  ['the lesser first', { SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2' }, `${V4}0a000001${V4}0a000002`],
  ['the other way', { SrcAddr: '10.0.0.2', DstAddr: '10.0.0.1' }, `${V4}0a000001${V4}0a000002`],
  [
    'bytes are unsigned',
    { SrcAddr: '200.0.0.1', DstAddr: '10.0.0.2' },
    `${V4}0a000002${V4}c8000001`,
  ],
  [
    'IPv6',
    { SrcAddr: 'fd00::2', DstAddr: '2001:db8::1' },
    '20010db8000000000000000000000001fd000000000000000000000000000002',
  ],
  ['no address', { DstAddr: '10.0.0.1' }, `${'00'.repeat(16)}${V4}0a000001`],
])('key: %s', (_why, row, key) => {
  const [request] = requests(batchFor([row]), 1);
  expect(sentIn(request!)[0]!.key).toBe(key);
});

const rows = (count: number): readonly Row[] =>
  Array.from({ length: count }, (_, index) => ({
    SrcAddr: `10.0.${index >> 8}.${index & 255}`,
    DstAddr: '10.9.9.9',
    Bytes: 100 + index,
    Packets: 2,
  }));

test('a request has the records of one partition, and what they amount to', () => {
  const made = requests(batchFor(rows(500)), 5);
  expect(made).toHaveLength(5);
  for (const { flows, records, lane, amount } of made) {
    const partitions = new Set(Array.from(flows.hashes, (hash) => partitionOf(hash, 5)));
    expect(partitions).toEqual(new Set([lane]));
    expect(records!.partition).toBe(lane);
    expect(amount.flows).toBe(flows.hashes.length);
    expect(amount.packets).toBe(2 * amount.flows);
  }
  const bytes = made.reduce((sum, { amount }) => sum + amount.bytes, 0);
  expect(bytes).toBe((500 * (100 + 599)) / 2);
});

test('what was made before the partitions were known is divided as if they had been', () => {
  const batch = batchFor(rows(500));
  const undivided = requestsOf(batch, encoded(batch), undefined, {
    ...NO_LIMITS,
    messagesMax: 300,
  });
  expect(undivided.map(({ records }) => records)).toEqual([undefined, undefined]);

  const divided = undivided.flatMap((message) => divide(message, 5, NO_LIMITS));
  const sent = (messages: readonly KafkaMessage[], wanted: number): readonly Sent[] =>
    messages.filter(({ records }) => records!.partition === wanted).flatMap(sentIn);
  const known = requests(batch, 5);
  for (let partition = 0; partition < 5; partition++) {
    expect(sent(divided, partition)).toEqual(sent(known, partition));
  }
  const bytes = divided.reduce((sum, { amount }) => sum + amount.bytes, 0);
  expect(bytes).toBe((500 * (100 + 599)) / 2);
});

test('a request has at most so many records, and so many bytes', () => {
  const batch = batchFor(rows(100));
  const byCount = requests(batch, 1, { messagesMax: 30 });
  expect(byCount.map(({ amount }) => amount.flows)).toEqual([30, 30, 30, 10]);
  const bySize = requests(batch, 1, { bytesMax: 1000 });
  expect(Math.max(...bySize.map(({ bytes }) => bytes.length))).toBeLessThan(1000);
  expect(bySize.length).toBeGreaterThan(5);
  // The broker decides about a record that is too large by itself.
  expect(requests(batch, 1, { bytesMax: 1 })).toHaveLength(100);
});

test('any flows: each is in one request, whole and in its order', () => {
  const address = fc.nat({ max: 30 }).map((n) => (n % 5 === 0 ? `fd00::${n + 1}` : `10.0.0.${n}`));
  const row = fc.record({ SrcAddr: address, DstAddr: address, Bytes: fc.nat() });
  const limits = fc.record({
    messagesMax: fc.integer({ min: 1, max: 9 }),
    bytesMax: fc.integer({ min: 1, max: 2000 }),
  });
  fc.assert(
    fc.property(
      fc.array(row),
      fc.integer({ min: 1, max: 6 }),
      limits,
      (flows, partitions, limit) => {
        const batch = batchFor(flows);
        const { bytes, offsets } = encoded(batch);
        const made = requests(batch, partitions, limit);
        const values = Array.from(flows, (_, r) =>
          Buffer.from(bytes.subarray(offsets[r]!, offsets[r + 1]!)).toString('hex'),
        );
        const sent = made.flatMap((request) => sentIn(request));
        expect(sent.map(({ value }) => value).sort()).toEqual(values.toSorted());
        for (let partition = 0; partition < partitions; partition++) {
          const isIn = ({ key }: Sent): boolean =>
            partitionOf(fnv1a32(Buffer.from(key, 'hex'), 0, KEY_BYTES), partitions) === partition;
          const here = sent.filter(isIn).map(({ value }) => value);
          expect(here).toEqual(values.filter((value) => here.includes(value)));
        }
      },
    ),
  );
});

test('only selected flows are sent', () => {
  const batch = batchFor(rows(10));
  batch.selection = Uint32Array.of(1, 4);
  const [request] = requests(batch, 1);
  expect(request!.amount).toEqual({ flows: 2, packets: 4, bytes: 101 + 104 });
});

test('records with keys of their own: each once, those of a key in order in one partition', () => {
  const record = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1 }),
      fc.integer({ min: 1, max: 7 }),
      (all, count) => {
        const keys = Uint8Array.from(all.flatMap(([key]) => [key, 0, key]));
        const values = Buffer.concat(all.map(([, value]) => value));
        const offsets = new Uint32Array(all.length + 1);
        for (const [r, [, value]] of all.entries()) offsets[r + 1] = offsets[r]! + value.length;
        const limits = { messagesMax: 5, bytesMax: 300 };
        const records = { keys, keyBytes: 3, values, offsets };
        const known = requestsByKey(records, count, limits);
        const later = requestsByKey(records, undefined, limits).flatMap((message) =>
          divide(message, count, limits),
        );
        for (const messages of [known, later]) {
          const sent = messages.flatMap(({ records: own, amount }) => {
            expect(amount.flows).toBe(own!.offsets.length - 1);
            expect(amount.flows).toBeLessThanOrEqual(5);
            return Array.from({ length: amount.flows }, (_, r) => ({
              partition: own!.partition,
              key: own!.keys[3 * r]!,
              value: [...own!.values.subarray(own!.offsets[r], own!.offsets[r + 1])],
            }));
          });
          expect(sent).toHaveLength(all.length);
          for (let key = 0; key < 10; key++) {
            const own = sent.filter((one) => one.key === key);
            const wanted = all.filter(([one]) => one === key).map(([, value]) => [...value]);
            expect(own.map(({ value }) => value)).toEqual(wanted);
            const partition = partitionOf(fnv1a32(Uint8Array.of(key, 0, key), 0, 3), count);
            expect(own.every((one) => one.partition === partition)).toBe(true);
          }
        }
      },
    ),
  );
});
