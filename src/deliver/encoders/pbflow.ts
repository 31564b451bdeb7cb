import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import { fieldByName } from '../../flow/fields.ts';
import type { BufferPool } from '../buffer-pool.ts';
import type { Encoder } from '../outlet.ts';
import { amountOf, runsOf } from '../runs.ts';

export interface RecordsLimits {
  readonly flowsMax: number;
  readonly bytesMax: number;
}

/** Batches → `pbflow.Records` messages in buffers of the pool. */
export function recordsEncoder(pool: BufferPool, limits: RecordsLimits): Encoder<FlowBatch> {
  const encoder = new RecordEncoder('entries');
  return {
    encode(batch) {
      const count = encoder.encode(batch);
      const { bytes, offsets } = encoder;
      const runs = runsOf(offsets, count, limits.flowsMax, limits.bytesMax);
      return runs.map((run) => ({
        bytes: pool.copy(bytes, offsets[run.from]!, offsets[run.to]!),
        amount: amountOf(batch, run),
      }));
    },
  };
}

/** The columns that pbflow has fields for. */
export function pbflowColumns(columns: readonly ColumnSpec[]): readonly ColumnSpec[] {
  return columns.filter(({ name }) => fieldByName(name)?.proto !== undefined);
}
