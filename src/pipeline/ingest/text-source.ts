import { FIELDS } from '../../flow/fields.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { Source, StageContext } from '../stage.ts';
import { JsonLines } from './json-lines.ts';

/** How long flows wait for others before they are passed on, milliseconds. */
const COALESCE_MS = 100;

export interface TextInput {
  /** Opens the input; a failure is the stage's failure to start. */
  open(): Promise<void>;
  /**
   * Pieces of the text, until its end or until `signal` is aborted; each is valid until the next is
   * asked for. An empty piece says that no more is there at the moment.
   */
  pieces(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A source of flows as JSON lines. */
export function textSource(input: TextInput, context: StageContext): Source {
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  // A source that nobody waits for must not end the process by its failure.
  ended.promise.catch(() => undefined);
  let reading: Promise<void> | undefined;
  const read = async (inlet: Inlet): Promise<void> => {
    const lines = new JsonLines(inlet, context);
    try {
      for await (const piece of input.pieces(stop.signal)) {
        if (piece.length === 0) lines.flush();
        else await lines.push(piece);
        if (stop.signal.aborted) break;
      }
    } finally {
      lines.end();
    }
  };
  return {
    kind: 'source',
    name: context.name,
    columns: FIELDS.map(({ name, kind }) => ({ name, kind })),
    isOpen: true,
    coalesceMs: COALESCE_MS,
    ended: ended.promise,
    async start(inlet) {
      await input.open();
      reading = read(inlet);
      reading.then(ended.resolve, (error: unknown) => {
        if (stop.signal.aborted) ended.resolve();
        else ended.reject(error);
      });
    },
    async stop() {
      stop.abort();
      await reading?.catch(() => undefined);
    },
  };
}
