import type { Writable } from 'node:stream';
import { explain, NetobservError } from '../../base/errors.ts';
import { createJsonWriter } from '../../codec/json/writer.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { DELIVERY_DEFAULTS, Delivery } from './delivery.ts';
import { EncodingExporter } from './encoding-exporter.ts';
import type { Exporter } from './exporter.ts';
import type { ExporterDeps } from './exporters.ts';
import { amountOf } from './messages.ts';
import { declareExportMetrics } from './metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX, type SpoolMessage } from './spool.ts';

/** What was given to the stream cannot be taken back: its reader has all the time it wants. */
const ATTEMPT_TIMEOUT_MS = 2 ** 31 - 1;

/** Writes each flow as a line of JSON. */
export function createStdoutExporter(config: AgentConfig, deps: ExporterDeps): Exporter {
  const { clock, random, tables, stdout } = deps;
  const log = deps.log.child({ component: 'stdout' });
  const delivery = new Delivery<SpoolMessage>(
    {
      ...DELIVERY_DEFAULTS,
      ...deps.delivery,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      batchesMax: batchesOf(config),
      bytesMax: SPOOL_BYTES_MAX,
    },
    {
      // In their order, and not before the reader took the one before.
      transport: { inFlightMax: 1, send: ({ bytes }) => write(stdout, bytes) },
      clock,
      log,
      random,
      metrics: declareExportMetrics(deps.metrics, 'stdout'),
    },
  );
  const writer = createJsonWriter();
  const encode = (batch: ReturnType<Exporter['take']>): readonly SpoolMessage[] => {
    writer.clear();
    writer.writeBatch(batch);
    const amount = amountOf(batch, { from: 0, to: batch.selected });
    return amount.flows === 0 ? [] : [{ bytes: writer.bytes().slice(), amount }];
  };
  const nothing = async (): Promise<void> => undefined;
  const encoding = { encode, open: nothing, close: nothing };
  return new EncodingExporter(encoding, delivery, tables, deps.columns);
}

function write(stdout: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(bytes, (cause) => {
      if (cause === null || cause === undefined) resolve();
      else {
        const message = `cannot write to standard output: ${explain(cause)}`;
        reject(new NetobservError(AGENT_ERRORS.output, message, { cause }));
      }
    });
  });
}
