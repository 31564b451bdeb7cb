import { promisify } from 'node:util';
import { gunzip, gzip, zstdCompress, zstdDecompress } from 'node:zlib';
import {
  lz4Compress,
  lz4Decompress,
  snappyCompress,
  snappyDecompress,
} from '@platformatic/wasm-utils/bundled';
import kafkajs from 'kafkajs';

const { CompressionCodecs, CompressionTypes } = kafkajs;

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** kafkajs's numbers, the same as in the protocol. */
export const COMPRESSION_TYPES: Readonly<Record<Compression, kafkajs.CompressionTypes>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};

/** kafkajs's interface of a codec: it compresses the contents of an encoder. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

const compressGzip = promisify(gzip);
const decompressGzip = promisify(gunzip);
const zstd = promisify(zstdCompress);
const unzstd = promisify(zstdDecompress);

/**
 * Most bytes of the records in a batch; brokers take batches of 1 MiB by default. LZ4 needs no
 * bound: it makes at most 255 bytes of one.
 */
const RECORDS_BYTES_MAX = 256 * 1024 * 1024;
const BOUND = { maxOutputLength: RECORDS_BYTES_MAX } as const;

/** The codecs that kafkajs does not provide, and gzip, whose output it does not bound. */
export const CODECS: Readonly<Record<'gzip' | 'snappy' | 'lz4' | 'zstd', Codec>> = {
  gzip: {
    compress: ({ buffer }) => compressGzip(buffer),
    decompress: (buffer) => decompressGzip(buffer, BOUND),
  },
  snappy: {
    compress: async ({ buffer }) => xerialFrame(buffer),
    decompress: async (buffer) => xerialUnframe(buffer),
  },
  // The frame format with independent blocks, as brokers require.
  lz4: {
    compress: async ({ buffer }) => lz4Compress(buffer),
    decompress: async (buffer) => lz4Decompress(buffer),
  },
  zstd: {
    compress: ({ buffer }) => zstd(buffer),
    decompress: (buffer) => unzstd(buffer, BOUND),
  },
};

/** Registers the codecs in the table of kafkajs, which is global to the process. */
export function addCodecs(): void {
  CompressionCodecs[CompressionTypes.GZIP] = () => CODECS.gzip;
  CompressionCodecs[CompressionTypes.Snappy] = () => CODECS.snappy;
  CompressionCodecs[CompressionTypes.LZ4] = () => CODECS.lz4;
  CompressionCodecs[CompressionTypes.ZSTD] = () => CODECS.zstd;
}

/** Header before the blocks of Kafka's snappy: magic, version and the oldest compatible version. */
const XERIAL_HEADER = Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex');
const XERIAL_MAGIC = XERIAL_HEADER.subarray(0, 8);
/** The Java library's block size. */
const XERIAL_BLOCK_BYTES = 32 * 1024;
const LENGTH_BYTES = 4;

/** Kafka's snappy uses the frame of the Java library (xerial). */
function xerialFrame(data: Buffer): Buffer {
  const pieces: Buffer[] = [XERIAL_HEADER];
  for (let at = 0; at < data.length; at += XERIAL_BLOCK_BYTES) {
    const block = snappyCompress(data.subarray(at, at + XERIAL_BLOCK_BYTES));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(block.length);
    pieces.push(length, block);
  }
  return Buffer.concat(pieces);
}

/** Some clients write a bare block. */
function xerialUnframe(data: Buffer): Buffer {
  if (!data.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return decompressBlock(data);
  const pieces: Buffer[] = [];
  for (let at = XERIAL_HEADER.length; at < data.length; ) {
    const start = at + LENGTH_BYTES;
    const end = start + data.readUInt32BE(at);
    pieces.push(decompressBlock(data.subarray(start, end)));
    at = end;
  }
  return Buffer.concat(pieces);
}

/** A block begins with the length of its contents, a varint, for which memory is taken. */
function decompressBlock(block: Buffer): Buffer {
  let length = 0;
  for (let at = 0, scale = 1; at < block.length; at++, scale *= 128) {
    length += (block[at]! & 0x7f) * scale;
    if (length > RECORDS_BYTES_MAX) throw new RangeError('a block of snappy is too long');
    if (block[at]! < 0x80) break;
  }
  return snappyDecompress(block);
}
