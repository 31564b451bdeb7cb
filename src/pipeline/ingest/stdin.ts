import type { Readable } from 'node:stream';
import { StdinOptions } from '../options/ingest/stdin.ts';
import { type StageType, stageType } from '../stage.ts';
import { textSource } from './text-source.ts';

const IDLE = new Uint8Array(0);

/** Flows from standard input. */
export const stdinIngest: StageType = stageType({
  section: 'ingest',
  type: 'stdin',
  schema: StdinOptions,
  create(_options, context) {
    const { stdin = process.stdin } = context.deps;
    return textSource(
      { open: () => Promise.resolve(), pieces: (signal) => piecesOf(stdin, signal) },
      context,
    );
  },
});

async function* piecesOf(stream: Readable, signal: AbortSignal): AsyncIterable<Uint8Array> {
  const destroy = (): unknown => stream.destroy();
  signal.addEventListener('abort', destroy, { once: true });
  for await (const piece of stream) {
    yield piece as Uint8Array;
    yield IDLE;
  }
}
