import { createJsonWriter } from '../../codec/json/writer.ts';
import type { AgentConfig } from '../config.ts';
import { EncodingExporter } from './encoding-exporter.ts';
import type { Exporter } from './exporter.ts';
import type { ExporterDeps } from './exporters.ts';
import { amountOf } from './messages.ts';
import type { SpoolMessage } from './spool.ts';
import { stdoutDelivery } from './stdout-delivery.ts';

/** Writes each flow as a line of JSON. */
export function createStdoutExporter(config: AgentConfig, deps: ExporterDeps): Exporter {
  const writer = createJsonWriter();
  const encode = (batch: ReturnType<Exporter['take']>): readonly SpoolMessage[] => {
    writer.clear();
    writer.writeBatch(batch);
    const amount = amountOf(batch, { from: 0, to: batch.selected });
    return amount.flows === 0 ? [] : [{ bytes: writer.bytes().slice(), amount }];
  };
  const nothing = async (): Promise<void> => undefined;
  const encoding = { encode, open: nothing, close: nothing };
  const delivery = stdoutDelivery(config, deps);
  return new EncodingExporter(encoding, delivery, deps.tables, deps.columns);
}
