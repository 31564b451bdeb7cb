import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WordTable } from '../../../src/base/word-table.ts';

const WIDTH = 3;
// A few words, so that keys repeat.
const key = fc.tuple(fc.nat(3), fc.nat(3), fc.constantFrom(0, 1, 0xffffffff));

test('numbers are those of a list of different keys, as long as there is room', () => {
  const capacity = 30;
  fc.assert(
    fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
      const index = new WordTable(WIDTH, capacity);
      const model: string[] = [];
      for (const words of keys) {
        const text = words.join();
        if (!model.includes(text) && model.length < capacity) model.push(text);
        // Keys need not be at the start of their entry.
        expect(index.put(Uint32Array.from([9, ...words]), 1)).toBe(model.indexOf(text) + 1);
        expect(index.size).toBe(model.length);
      }
      for (const words of keys) {
        expect(index.find(Uint32Array.from(words), 0)).toBe(model.indexOf(words.join()) + 1);
      }
      for (const [number, text] of model.entries()) {
        const into = new Uint32Array(WIDTH + 1);
        index.copyTo(number + 1, into, 1);
        expect(into.subarray(1).join()).toBe(text);
      }
      index.clear();
      expect([index.size, index.find(Uint32Array.from(keys[0] ?? [0, 0, 0]), 0)]).toEqual([0, 0]);
    }),
  );
});

test('grows with what it holds', () => {
  const index = new WordTable(1, 10_000);
  const words = new Uint32Array(1);
  for (let i = 0; i < 10_000; i++) {
    words[0] = i * 7919;
    expect(index.put(words, 0)).toBe(i + 1);
  }
  words[0] = 9999 * 7919;
  expect(index.find(words, 0)).toBe(10_000);
  words[0] = 1;
  expect(index.find(words, 0)).toBe(0);
  expect(index.put(words, 0)).toBe(0);
});

test('numbers of released keys are used again, whatever is put, released and found', () => {
  const command = fc.record({ words: key, isRelease: fc.boolean() });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
      const table = new WordTable(WIDTH);
      const model = new Map<string, number>();
      for (const { words, isRelease } of commands) {
        const known = model.get(words.join());
        if (isRelease && known !== undefined) {
          table.release(known);
          table.rehash();
          model.delete(words.join());
        } else if (!isRelease) {
          const number = table.put(Uint32Array.from(words), 0);
          if (known === undefined) expect([...model.values()]).not.toContain(number);
          else expect(number).toBe(known);
          model.set(words.join(), number);
        }
        expect(table.size).toBe(model.size);
        expect(table.end).toBeGreaterThanOrEqual(model.size);
        expect(table.capacity).toBeGreaterThanOrEqual(table.end);
      }
      for (const [text, number] of model) {
        expect(table.has(number)).toBe(true);
        expect(table.words(number).join()).toBe(text);
        expect(table.word(number, 1)).toBe(table.words(number)[1]);
      }
      const live = Array.from({ length: table.end }, (_, number) => table.has(number));
      expect(live.filter(Boolean)).toHaveLength(model.size);
    }),
  );
});

test('a table with free numbers grows, and keeps its keys', () => {
  const table = new WordTable(1);
  const words = new Uint32Array(1);
  const put = (value: number) => {
    words[0] = value;
    return table.put(words, 0);
  };
  for (let value = 0; value < 200; value++) put(value);
  for (let number = 1; number <= 100; number++) table.release(number);
  table.rehash();
  for (let value = 1000; value < 3000; value++) put(value);
  expect([table.size, table.end]).toEqual([2100, 2101]);
  for (const value of [100, 199, 1000, 2999]) {
    words[0] = value;
    expect(table.word(table.find(words, 0), 0)).toBe(value);
  }
  words[0] = 7;
  expect(table.find(words, 0)).toBe(0);
});
