import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bitWords, hasBit, setBit, setFirstBits } from '../../../src/flow/bits.ts';

const ROWS = 130;

test('bits behave like a set of rows', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: ROWS - 1 }), { maxLength: 200 }), (given) => {
      const bits = new Uint32Array(bitWords(ROWS));
      const rows = new Set(given);
      for (const row of given) setBit(bits, row);
      for (let row = 0; row < ROWS; row++) expect(hasBit(bits, row)).toBe(rows.has(row));
    }),
  );
});

test.each([0, 1, 31, 32, 33, 63, 64, 127, 128])('the first %d bits are set, no other', (rows) => {
  const bits = new Uint32Array(bitWords(128)).fill(0xa5a5a5a5);
  setFirstBits(bits, rows);
  for (let row = 0; row < 128; row++) expect(hasBit(bits, row)).toBe(row < rows);
});
