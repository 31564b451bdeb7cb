import { expect, test } from 'vitest';
import { finish32, mix32 } from '../../../src/base/hash.ts';

/** MurmurHash3_x86_32 of whole words, made from the two rounds. */
function murmur(words: readonly number[], seed: number): number {
  return finish32(words.reduce((hash, word) => mix32(hash, word), seed) ^ (words.length * 4));
}

// Published test vectors of MurmurHash3_x86_32, of texts whose length is a multiple of four.
test.each([
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['', 0xffffffff, 0x81f16f39],
  ['test', 0, 0xba6bd213],
  ['test', 0x9747b28c, 0x704b81dc],
  ['aaaa', 0x9747b28c, 0x5a97808a],
])('murmur3 of %j with seed %d', (text, seed, wanted) => {
  const bytes = Buffer.from(text);
  const words = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(i * 4));
  expect(murmur(words, seed)).toBe(wanted);
});
