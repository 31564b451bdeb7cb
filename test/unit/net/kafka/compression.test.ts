import fc from 'fast-check';
import kafkajs from 'kafkajs';
import { beforeAll, describe, expect, test } from 'vitest';
import { addCodecs, CODECS, type Codec } from '../../../../src/net/kafka/compression.ts';

const { CompressionCodecs, CompressionTypes } = kafkajs;
beforeAll(addCodecs);

const blocks = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  // Larger than a block of snappy's frame, and worth compressing.
  fc.nat({ max: 100_000 }).map((length) => new Uint8Array(length).fill(length & 0xff)),
);

describe.each([
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ['lz4', CompressionTypes.LZ4],
  ['zstd', CompressionTypes.ZSTD],
] as const)('%s', (name, type) => {
  // Tests the codec that kafkajs finds.
  const codec = (): Codec => CompressionCodecs[type]() as Codec;

  test('any bytes come back', async () => {
    expect(codec()).toBe(CODECS[name]);
    await fc.assert(
      fc.asyncProperty(blocks, async (bytes) => {
        const compressed = await codec().compress({ buffer: Buffer.from(bytes) });
        expect(Buffer.compare(await codec().decompress(compressed), bytes)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  test('repetition shrinks', async () => {
    const compressed = await codec().compress({ buffer: Buffer.alloc(100_000, 'flow') });
    expect(compressed.length).toBeLessThan(10_000);
  });
});

test('snappy has the frame of the Java library, in blocks of 32 KiB', async () => {
  const compressed = await CODECS.snappy.compress({ buffer: Buffer.alloc(40_000) });
  expect(compressed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
  const first = compressed.readUInt32BE(16);
  const second = compressed.readUInt32BE(20 + first);
  expect(compressed.length).toBe(16 + 4 + first + 4 + second);
});

test('snappy without a frame is read, too', async () => {
  // A literal of five bytes, after the length of the text.
  const bare = Buffer.from([5, 4 << 2, ...Buffer.from('flows')]);
  expect((await CODECS.snappy.decompress(bare)).toString()).toBe('flows');
});

test('LZ4 has independent blocks', async () => {
  const frame = await CODECS.lz4.compress({ buffer: Buffer.from('flows') });
  expect(frame.readUInt32LE(0)).toBe(0x184d2204);
  // Version 1 and the bit of independent blocks (LZ4 frame format, FLG byte).
  expect(frame[4]! & 0b1110_0000).toBe(0b0110_0000);
});

test.each(['gzip', 'zstd'] as const)('%s does not fill the memory', async (name) => {
  const compressed = await CODECS[name].compress({ buffer: Buffer.alloc(257 * 2 ** 20) });
  expect(compressed.length).toBeLessThan(300_000);
  await expect(CODECS[name].decompress(compressed)).rejects.toThrow(/larger than/);
});

test('snappy does not take memory for a length that is not there', async () => {
  // Varints of 2^32 - 1, and of more bytes than a length has.
  for (const header of [[0xff, 0xff, 0xff, 0xff, 0x0f], Array.from({ length: 40 }, () => 0xff)]) {
    await expect(CODECS.snappy.decompress(Buffer.from([...header, 0]))).rejects.toThrow(/too long/);
  }
});
