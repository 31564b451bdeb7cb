import type { Writable } from 'node:stream';
import type { Native } from '../../agent/loader/native.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { CommandContext } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { reportError } from '../report-error.ts';
import { type StopSignal, stopSignal } from './signals.ts';

/** Time to flush standard output and error. */
const FLUSH_TIMEOUT_MS = 500;

/**
 * Runs a capture until it is stopped, reports errors, and ends the process, which would otherwise
 * wait for readers that stopped reading and resolvers that do not answer. `run` resolves to the
 * number of flows lost at the end.
 */
export async function runToEnd(
  context: CommandContext,
  native: Pick<Native, 'endProcess'>,
  run: (stop: StopSignal) => Promise<number>,
): Promise<number> {
  const { clock, stdout, stderr, hangupIsIgnored = false } = context;
  const exit = (code: number): void => {
    // After all other listeners; Node itself would wait for its helper threads then.
    process.once('exit', () => native.endProcess(code));
    process.exit(code);
  };
  using stop = stopSignal({ clock, stdout, exit, hangupIsIgnored });
  let code: number;
  try {
    const lost = await run(stop);
    if (stop.failure !== undefined) throw stop.failure;
    code = lost > 0 && !stop.isReaderGone ? EXIT.lost : EXIT.done;
  } catch (error) {
    // The error that ended the program explains the errors that follow from it.
    code = reportError(stop.failure ?? error, context);
  }
  const over = new AbortController();
  await Promise.race([
    Promise.all([flushed(stdout), flushed(stderr)]),
    clock.sleep(FLUSH_TIMEOUT_MS, over.signal),
  ]);
  over.abort();
  exit(code);
  return code;
}

/** Growth of a monotonic number after the signal to end. */
export function growthAfter(signal: AbortSignal, total: () => number): () => number {
  let before = 0;
  signal.addEventListener(
    'abort',
    () => {
      before = total();
    },
    { once: true },
  );
  return () => total() - before;
}

/** Rows that branches of a pipeline could not write. */
export function droppedRows(pipeline: Pick<Pipeline, 'branches'>): number {
  const counts = pipeline.branches().flatMap(({ dropped }) => Object.values(dropped));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Resolves when everything written has been flushed, or never will be. */
function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write('', () => resolve());
  });
}
