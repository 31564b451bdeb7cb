import { createJsonWriter } from '../../codec/json/writer.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { RowOptions } from '../../flow/row.ts';
import type { Encoder } from '../outlet.ts';
import { amountOf } from '../runs.ts';

/** Batches → one message with a line of JSON for each flow. */
export function jsonLinesEncoder(options?: RowOptions): Encoder<FlowBatch> {
  const writer = createJsonWriter(options);
  return {
    encode(batch) {
      if (batch.selected === 0) return [];
      writer.clear();
      writer.writeBatch(batch);
      const amount = amountOf(batch, { from: 0, to: batch.selected });
      return [{ bytes: writer.bytes().slice(), amount }];
    },
  };
}
