import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { DELIVERY_DEFAULTS, Delivery } from './delivery.ts';
import type { ExporterDeps } from './exporters.ts';
import { declareExportMetrics } from './metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX } from './spool.ts';

/** A disk has room again at any time, and to try costs nothing. */
const BACKOFF = { firstMs: 250, maxMs: 1000 };

/** What was given to the stream cannot be taken back: its reader has all the time it wants. */
const ATTEMPT_TIMEOUT_MS = 2 ** 31 - 1;

export type StdoutDeps = Pick<
  ExporterDeps,
  'clock' | 'random' | 'stdout' | 'log' | 'metrics' | 'delivery'
>;

/** Writes messages to standard output, each when the reader has taken the one before. */
export function stdoutDelivery(config: AgentConfig, deps: StdoutDeps): Delivery {
  const { clock, random, stdout } = deps;
  return new Delivery(
    {
      ...DELIVERY_DEFAULTS,
      backoff: BACKOFF,
      ...deps.delivery,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      batchesMax: batchesOf(config),
      bytesMax: SPOOL_BYTES_MAX,
    },
    {
      transport: { inFlightMax: 1, send: ({ bytes }) => write(stdout, bytes) },
      clock,
      log: deps.log.child({ component: 'stdout' }),
      random,
      metrics: declareExportMetrics(deps.metrics, 'stdout'),
    },
  );
}

/** Resolves when the stream has taken the bytes; a file that takes none now may take them later. */
function write(stdout: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(bytes, (cause) => {
      if (cause === null || cause === undefined) resolve();
      else {
        const message = `cannot write to standard output: ${explain(cause)}`;
        const retryable = cause instanceof NetobservError && cause.retryable;
        reject(new NetobservError(AGENT_ERRORS.output, message, { cause, retryable }));
      }
    });
  });
}

/**
 * The same, for a writer that can wait: what a file does not take now is tried again for as long as
 * a message of an exporter is.
 */
export async function writePatiently(
  stdout: Writable,
  bytes: Uint8Array,
  clock: Pick<Clock, 'monotonicMs' | 'sleep'>,
): Promise<void> {
  const untilMs = clock.monotonicMs() + DELIVERY_DEFAULTS.deadlineMs;
  for (;;) {
    try {
      await write(stdout, bytes);
      return;
    } catch (error) {
      const isLasting = !(error instanceof NetobservError && error.retryable);
      if (isLasting || clock.monotonicMs() + BACKOFF.maxMs > untilMs) throw error;
    }
    await clock.sleep(BACKOFF.maxMs);
  }
}
