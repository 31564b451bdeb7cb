import fc from 'fast-check';
import { expect, test } from 'vitest';
import { refusedEntries } from '../../../../src/codec/otlp/answer.ts';
import { encodeAnswer } from '../../../support/codec/otlp-schema.ts';

test.each([
  [{}, 0],
  [{ partialSuccess: {} }, 0],
  [{ partialSuccess: { errorMessage: 'a warning' } }, 0],
  [{ partialSuccess: { rejected: 7, errorMessage: 'too old' } }, 7],
  [{ partialSuccess: { rejected: 300_000 } }, 300_000],
])('%j refuses %d', (answer, refused) => {
  expect(refusedEntries(encodeAnswer(answer))).toBe(refused);
});

test('fields that came later are passed over', () => {
  const partial = encodeAnswer({ partialSuccess: { rejected: 3 } });
  // Field 5, a varint, and field 6, bytes.
  expect(refusedEntries(Uint8Array.of(0x28, 0x96, 0x01, 0x32, 2, 9, 9, ...partial))).toBe(3);
});

test('a number below 0 refuses nothing', () => {
  expect(refusedEntries(encodeAnswer({ partialSuccess: { rejected: -5 } }))).toBe(0);
});

test('an answer that is cut refuses nothing', () => {
  const bytes = encodeAnswer({ partialSuccess: { rejected: 1 } });
  expect(refusedEntries(bytes.subarray(0, bytes.length - 1))).toBe(0);
});

test('any bytes are read without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      expect(refusedEntries(bytes)).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 5000 },
  );
});
