import { type RequestFrame, RequestWriter } from '../../codec/otlp/request.ts';
import type { RecordSource } from '../../codec/records.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Encoder } from '../outlet.ts';
import { amountOf, runsOf } from '../runs.ts';
import type { RequestLimits } from './kafka.ts';

/** Batches → requests of the OpenTelemetry protocol. */
export function otlpEncoder(
  records: RecordSource,
  frame: RequestFrame,
  { messagesMax, bytesMax }: RequestLimits,
): Encoder<FlowBatch> {
  const writer = new RequestWriter(frame);
  return {
    encode(batch) {
      const count = records.encode(batch);
      const { bytes, offsets } = records;
      return runsOf(offsets, count, messagesMax, bytesMax).map((run) => ({
        bytes: writer.write(bytes, offsets[run.from]!, offsets[run.to]!),
        amount: amountOf(batch, run),
      }));
    },
  };
}
