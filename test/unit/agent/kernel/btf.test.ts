import fc from 'fast-check';
import { expect, test } from 'vitest';
import { enumOf, openBtf } from '../../../../src/agent/kernel/btf.ts';
import { buildBtf } from '../../../support/kernel/btf-builder.ts';

const word = fc.stringMatching(/^[A-Z_]{1,12}$/);
const enums = fc.uniqueArray(
  fc.record({
    name: word.map((name) => name.toLowerCase()),
    values: fc.uniqueArray(fc.tuple(word, fc.integer({ min: 0, max: 0xffffffff })), {
      minLength: 1,
      maxLength: 20,
      selector: ([, value]) => value,
    }),
  }),
  { minLength: 1, maxLength: 5, selector: ({ name }) => name },
);

test('every enumeration is found, with its names by value', () => {
  fc.assert(
    fc.property(enums, (given) => {
      const btf = openBtf(buildBtf(given))!;
      for (const { name, values } of given) {
        const wanted = new Map(values.map(([label, value]) => [value, label]));
        expect(enumOf(btf, name)).toEqual(wanted);
      }
      expect(enumOf(btf, 'no such')).toBeUndefined();
    }),
  );
});

test('a module’s goes on where the kernel’s ends', () => {
  const kernel = buildBtf([{ name: 'shared', values: [['SHARED_VALUE', 1]] }]);
  const module = buildBtf(
    [
      {
        name: 'own',
        values: [
          ['SHARED_VALUE', 2],
          ['OWN_VALUE', 3],
        ],
      },
    ],
    kernel,
  );
  const btf = openBtf(module, openBtf(kernel))!;
  expect(enumOf(btf, 'own')).toEqual(
    new Map([
      [2, 'SHARED_VALUE'],
      [3, 'OWN_VALUE'],
    ]),
  );
});

test('of two names for a value the first is taken', () => {
  const btf = openBtf(
    buildBtf([
      {
        name: 'e',
        values: [
          ['REAL', 1],
          ['LIMIT', 1],
        ],
      },
    ]),
  )!;
  expect(enumOf(btf, 'e')).toEqual(new Map([[1, 'REAL']]));
});

test('other bytes are no types', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const data = Buffer.from(bytes);
      if (data.length >= 2 && data.readUInt16LE(0) === 0xeb9f) return;
      expect(openBtf(data)).toBeUndefined();
    }),
  );
});
