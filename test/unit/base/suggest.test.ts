import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closest, editDistance } from '../../../src/base/suggest.ts';

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
