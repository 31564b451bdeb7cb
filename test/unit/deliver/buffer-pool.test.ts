import { expect, test } from 'vitest';
import { BufferPool } from '../../../src/deliver/buffer-pool.ts';

const GRAIN = 64 * 1024;

test('a buffer that was given back is used again', () => {
  const pool = new BufferPool();
  const from = Uint8Array.from({ length: 300 }, (_, index) => index);
  const first = pool.copy(from, 10, 20);
  expect([...first]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  pool.give(first);
  expect(pool.bytes).toBe(GRAIN);

  const second = pool.copy(from, 100, 103);
  expect(second.buffer).toBe(first.buffer);
  expect([...second]).toEqual([100, 101, 102]);
  expect(pool.bytes).toBe(0);
});

test('one that is in use is nobody else’s', () => {
  const pool = new BufferPool();
  const from = new Uint8Array(10);
  expect(pool.copy(from, 0, 10).buffer).not.toBe(pool.copy(from, 0, 10).buffer);
});

test('small messages do not hold the buffers of large ones', () => {
  const pool = new BufferPool();
  const large = pool.copy(new Uint8Array(GRAIN * 4), 0, GRAIN * 4);
  pool.give(large);

  expect(pool.copy(large, 0, 100).buffer).not.toBe(large.buffer);
  expect(pool.copy(large, 0, GRAIN * 2).buffer).toBe(large.buffer);
});

test('no more is kept than the limit', () => {
  const pool = new BufferPool();
  const from = new Uint8Array(GRAIN * 32);
  const copies = Array.from({ length: 10 }, () => pool.copy(from, 0, from.length));
  for (const copy of copies) pool.give(copy);

  expect(pool.bytes).toBe(8 * 2 ** 20);
});
