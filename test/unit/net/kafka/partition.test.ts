import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fnv1a32, partitionOf } from '../../../../src/net/kafka/partition.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const hash = (text: string): number => fnv1a32(bytesOf(text), 0, bytesOf(text).length);

test.each([
  // Test vectors by the function's authors.
  ['', 0x811c9dc5],
  ['a', 0xe40c292c],
  ['foobar', 0xbf9cf968],
  ['chongo was here!\n', 0xd49930d5],
])('FNV-1a of %j', (text, wanted) => {
  expect(hash(text)).toBe(wanted);
});

test.each([
  // As in the client of `netobserv-ebpf-agent` and Sarama: signed hash, unsigned remainder.
  ['blah', 2, 0],
  ['blah', 3, 1],
  ['boop', 3, 2],
  // Negative as a signed number.
  ['20', 16, 1],
])('partition of %j among %i', (text, partitions, wanted) => {
  expect(partitionOf(hash(text), partitions)).toBe(wanted);
});

test('the least signed hash has a partition, too', () => {
  expect(partitionOf(0x80000000, 7)).toBe(2);
  expect(partitionOf(0x80000000, 1)).toBe(0);
});

test('any hash: the remainder that signed integers of 32 bits have', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.integer({ min: 1, max: 1000 }),
      (h, n) => {
        const rest = BigInt.asIntN(32, BigInt(h)) % BigInt(n);
        expect(partitionOf(h, n)).toBe(Number(rest < 0n ? -rest : rest));
      },
    ),
  );
});
