import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HELLO_BYTES_MAX, HelloParts } from '../../../../src/codec/tls/hello-parts.ts';

const WORD = 2 ** 32;
const FIRST_BYTES = 100;

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7);
const joined = (parts: HelloParts): Uint8Array => parts.bytes.subarray(0, parts.length);

test('whatever the order of segments and how often they come, a hello is the same', () => {
  const cuts = fc.uniqueArray(fc.integer({ min: FIRST_BYTES + 1, max: 999 }), { maxLength: 8 });
  const begin = fc.integer({ min: 0, max: WORD - 1 });
  fc.assert(
    fc.property(cuts, begin, fc.infiniteStream(fc.nat()), (inside, sequence, random) => {
      const whole = bytesOf(1000);
      const ends = [FIRST_BYTES, ...inside.toSorted((a, b) => a - b), whole.length];
      const rest = ends.slice(1).map((end, i) => [ends[i]!, end] as const);
      const order = rest.map((part) => ({ part, at: random.next().value! }));
      const shuffled = order.sort((a, b) => a.at - b.at).map(({ part }) => part);
      const parts = new HelloParts(whole, 0, FIRST_BYTES, sequence);
      const [again] = shuffled;
      for (const [from, to] of [...shuffled, [0, FIRST_BYTES] as const, again!]) {
        parts.add(whole, from, to, (sequence + from) % WORD);
      }
      expect(joined(parts)).toEqual(whole);
    }),
  );
});

test('what a gap keeps is bounded, by number and by bytes', () => {
  const whole = bytesOf(100);
  const many = new HelloParts(whole, 0, 10, 0);
  for (let at = 20; at < 100; at += 5) many.add(whole, at, at + 5, at);
  expect(many.add(whole, 10, 20, 10)).toBe(true);
  expect(many.length).toBe(60);

  const long = bytesOf(2 * HELLO_BYTES_MAX);
  const big = new HelloParts(long, 0, 10, 0);
  big.add(long, 20, HELLO_BYTES_MAX, 20);
  big.add(long, 15, HELLO_BYTES_MAX, 15);
  expect(big.add(long, 10, 15, 10)).toBe(true);
  expect(big.length).toBe(15);
  expect(big.add(long, 15, 20, 15)).toBe(true);
  expect(big.length).toBe(HELLO_BYTES_MAX);
});
