import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Readable, Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { NetobservError } from '../../base/errors.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { FileOptions } from '../options/ingest/file.ts';
import { FileChunksOptions } from '../options/ingest/file-chunks.ts';
import { FileLoopOptions } from '../options/ingest/file-loop.ts';
import { type StageContext, type StageType, stageType } from '../stage.ts';
import { type TextInput, textSource } from './text-source.ts';

const PIECE_BYTES = 1024 * 1024;
/** How often `follow` looks for more. */
const FOLLOW_PERIOD_MS = 250;
/** Time between two readings of `file_loop`, as in flowlogs-pipeline. */
const LOOP_PERIOD_MS = 10_000;
const IDLE = new Uint8Array(0);

const DECOMPRESSORS: readonly (readonly [magic: readonly number[], create: () => Transform])[] = [
  [[0x1f, 0x8b], createGunzip],
  [[0x28, 0xb5, 0x2f, 0xfd], createZstdDecompress],
];
const MAGIC_BYTES = 4;

function fileType(type: string, schema: typeof FileOptions, isLooping = false): StageType {
  return stageType({
    section: 'ingest',
    type,
    schema,
    create: (options, context) => textSource(new FileInput(options, isLooping, context), context),
  });
}

/** Flows from a file, once. */
export const fileIngest = fileType('file', FileOptions);
/** The same: flowlogs-pipeline reads it in pieces of 100 flows. */
export const fileChunksIngest = fileType('file_chunks', FileChunksOptions);
/** Flows from a file, again and again. */
export const fileLoopIngest = fileType('file_loop', FileLoopOptions, true);

class FileInput implements TextInput {
  readonly #options: FileOptions;
  readonly #isLooping: boolean;
  readonly #context: StageContext;
  #file: FileHandle | undefined;

  constructor(options: FileOptions, isLooping: boolean, context: StageContext) {
    this.#options = options;
    this.#isLooping = isLooping;
    this.#context = context;
  }

  async open(): Promise<void> {
    const { filename } = this.#options;
    try {
      this.#file = await open(filename);
    } catch (cause) {
      const problem = `cannot read ${filename}`;
      throw configError(PIPELINE_ERRORS.input, `${this.#context.path}.filename`, problem, cause);
    }
  }

  async *pieces(signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { clock } = this.#context.deps;
    do {
      if (this.#file === undefined) await this.open();
      await using file = this.#file!;
      this.#file = undefined;
      const create = await decompressorOf(file);
      if (create !== undefined) yield* decompressed(file, create(), this.#options.filename);
      else if (this.#options.follow) yield* this.#followed(file, signal);
      else yield* plain(file, signal);
      if (!this.#isLooping || signal.aborted) return;
      yield IDLE;
      await clock.sleep(LOOP_PERIOD_MS, signal).catch(() => undefined);
    } while (!signal.aborted);
  }

  /** Reads on behind the end; when another file has taken the name, reads that one next. */
  async *#followed(first: FileHandle, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { clock } = this.#context.deps;
    const { filename } = this.#options;
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    let file = first;
    try {
      for (let at = 0; !signal.aborted; ) {
        const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, at);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
        if (bytesRead > 0) continue;
        await clock.sleep(FOLLOW_PERIOD_MS, signal).catch(() => undefined);
        const own = await file.stat();
        const named = await stat(filename).catch(() => undefined);
        if (own.size < at) at = 0;
        else if (named !== undefined && named.ino !== own.ino && own.size === at) {
          const next = await open(filename).catch(() => undefined);
          if (next === undefined) continue;
          if (file !== first) await file.close();
          file = next;
          at = 0;
        }
      }
    } finally {
      if (file !== first) await file.close();
    }
  }
}

async function decompressorOf(file: FileHandle): Promise<(() => Transform) | undefined> {
  const { buffer } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
  return DECOMPRESSORS.find(([magic]) => magic.every((byte, at) => buffer[at] === byte))?.[1];
}

async function* plain(file: FileHandle, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  for (let at = 0; !signal.aborted; ) {
    const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* decompressed(
  file: FileHandle,
  decompressor: Transform,
  filename: string,
): AsyncIterable<Uint8Array> {
  const compressed: Readable = file.createReadStream({ start: 0, autoClose: false });
  compressed.on('error', (error) => decompressor.destroy(error));
  try {
    for await (const piece of compressed.pipe(decompressor)) yield piece as Uint8Array;
  } catch (cause) {
    const problem = `${filename} is damaged: what follows cannot be decompressed`;
    throw new NetobservError(PIPELINE_ERRORS.input, problem, { cause });
  } finally {
    compressed.destroy();
  }
}
