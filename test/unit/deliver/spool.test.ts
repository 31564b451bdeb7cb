import { expect, test } from 'vitest';
import type { Message } from '../../../src/deliver/message.ts';
import { Spool } from '../../../src/deliver/spool.ts';

function message(bytes: number, flows = 1, lane?: number): Message {
  const amount = { flows, packets: flows * 2, bytes: flows * 9 };
  return { bytes: new Uint8Array(bytes), amount, ...(lane === undefined ? {} : { lane }) };
}

test('messages leave in the order in which they came', () => {
  const spool = new Spool({ batchesMax: 9, bytesMax: 1000 });
  const [a, b, c] = [message(1), message(1), message(1)];
  spool.offer([a, b]);
  spool.offer([c]);

  expect([spool.take(), spool.take(), spool.take(), spool.take()]).toEqual([a, b, c, undefined]);
});

test('a batch that does not fit by bytes is refused whole', () => {
  const spool = new Spool({ batchesMax: 9, bytesMax: 100 });
  expect(spool.offer([message(60)])).toEqual([]);

  const refused = [message(20), message(21)];
  expect(spool.offer(refused)).toEqual(refused);

  expect(spool.messages).toBe(1);
  expect(spool.bytes).toBe(60);
  expect(spool.offer([message(20), message(20)])).toEqual([]);
});

test('a batch holds its place until its last message is settled', () => {
  const spool = new Spool({ batchesMax: 1, bytesMax: 1000 });
  spool.offer([message(1), message(1)]);
  const first = spool.take()!;
  const second = spool.take()!;

  spool.settle(first);
  expect(spool.isFull).toBe(true);
  expect(spool.offer([message(1)])).toHaveLength(1);
  spool.settle(second);
  expect(spool.isFull).toBe(false);
  expect(spool.offer([message(1)])).toEqual([]);
});

test('what has been taken counts until it is settled', () => {
  const spool = new Spool({ batchesMax: 2, bytesMax: 1000 });
  spool.offer([message(10, 3), message(20, 4)]);
  const taken = spool.take()!;

  expect(spool.backlog()).toEqual({ flows: 7, packets: 14, bytes: 63 });
  expect(spool.bytes).toBe(30);
  spool.settle(taken);
  expect(spool.backlog()).toEqual({ flows: 4, packets: 8, bytes: 36 });
  expect(spool.bytes).toBe(20);
});

test('settling twice is a bug that shows', () => {
  const spool = new Spool({ batchesMax: 2, bytesMax: 1000 });
  spool.offer([message(1)]);
  const taken = spool.take()!;
  spool.settle(taken);

  expect(() => spool.settle(taken)).toThrow('was taken');
});

test('a lane that is full, or busy, keeps no other one waiting', () => {
  const spool = new Spool({ batchesMax: 1, bytesMax: 1000 });
  const [a, b] = [message(1, 1, 0), message(1, 1, 0)];
  spool.offer([a, b]);
  const [c, d] = [message(1, 1, 0), message(1, 1, 1)];
  expect(spool.offer([c, d])).toEqual([c]);

  expect([spool.take(1), spool.take(1), spool.take(1)]).toEqual([a, d, undefined]);
  spool.settle(d);
  expect(spool.isFull).toBe(false);
  expect(spool.take(1)).toBeUndefined();
  spool.settle(a);
  expect(spool.take(1)).toBe(b);
});

test('parts wait in the place of what they are of, whatever the limits', () => {
  const spool = new Spool({ batchesMax: 1, bytesMax: 100 });
  const [first, second] = [message(60, 6, 0), message(40, 4, 0)];
  spool.offer([first, second]);
  const parts = [message(20, 2, 0), message(40, 4, 1)];
  spool.divide(spool.take(1)!, parts);

  expect(spool.bytes).toBe(100);
  expect(spool.backlog().flows).toBe(10);
  expect(spool.messages).toBe(3);
  expect([spool.take(1), spool.take(1), spool.take(1)]).toEqual([second, parts[1], undefined]);
  spool.settle(second);
  expect(spool.take(1)).toBe(parts[0]);
});
