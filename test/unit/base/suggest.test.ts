import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closest, editDistance } from '../../../src/base/suggest.ts';
import { cpuMs } from '../../support/codec/mutations.ts';

test.each([
  ['samplin', 'sampling'],
  ['exclude-interface', 'exclude-interfaces'],
  ['SAMPLING', 'sampling'],
  ['listne', 'listen'],
  ['wibble', undefined],
])('%s → %s', (word, wanted) => {
  expect(closest(word, ['sampling', 'interfaces', 'exclude-interfaces', 'listen'])).toBe(wanted);
});

test('the distance is a metric', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
    }),
  );
});

test('with a bound it is the same up to there, and one more beyond', () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, fc.nat(12), (a, b, max) => {
      expect(editDistance(a, b, max)).toBe(Math.min(editDistance(a, b), max + 1));
    }),
  );
});

test('words of any length take little time', () => {
  // A request may contain as many names, and one thread serves all requests.
  const known = Array.from({ length: 500 }, (_, i) => `SrcK8S_OwnerType${i}`);
  const words = ['k'.repeat(8000), 'SrcK8S_OwnerType'.repeat(4), 'S'.repeat(64)];
  const startMs = cpuMs();
  for (let round = 0; round < 10; round++) for (const word of words) closest(word, known);
  expect(cpuMs() - startMs).toBeLessThan(1000);
});
