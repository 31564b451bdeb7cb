import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyIndex } from '../../../../src/agent/drain/key-index.ts';

const WIDTH = 3;
// A few words, so that keys repeat.
const key = fc.tuple(fc.nat(3), fc.nat(3), fc.constantFrom(0, 1, 0xffffffff));

test('numbers are those of a list of different keys, as long as there is room', () => {
  const capacity = 30;
  fc.assert(
    fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
      const index = new KeyIndex(WIDTH, capacity);
      const model: string[] = [];
      for (const words of keys) {
        const text = words.join();
        if (!model.includes(text) && model.length < capacity) model.push(text);
        // Keys need not be at the start of their entry.
        expect(index.put(Uint32Array.from([9, ...words]), 1)).toBe(model.indexOf(text));
        expect(index.size).toBe(model.length);
      }
      for (const words of keys) {
        expect(index.find(Uint32Array.from(words), 0)).toBe(model.indexOf(words.join()));
      }
      for (const [number, text] of model.entries()) {
        const into = new Uint32Array(WIDTH + 1);
        index.copyKey(number, into, 1);
        expect(into.subarray(1).join()).toBe(text);
      }
      index.clear();
      expect([index.size, index.find(Uint32Array.from(keys[0] ?? [0, 0, 0]), 0)]).toEqual([0, -1]);
    }),
  );
});

test('grows with what it holds', () => {
  const index = new KeyIndex(1, 10_000);
  const words = new Uint32Array(1);
  for (let i = 0; i < 10_000; i++) {
    words[0] = i * 7919;
    expect(index.put(words, 0)).toBe(i);
  }
  words[0] = 9999 * 7919;
  expect(index.find(words, 0)).toBe(9999);
  words[0] = 1;
  expect(index.find(words, 0)).toBe(-1);
  expect(index.put(words, 0)).toBe(-1);
});
