import { ANY_VALUE_TAG, FLOW_MAP_TAG } from '../../codec/json/generic-map.ts';
import type { RecordSource } from '../../codec/records.ts';
import { uintBytes, writeUint } from '../../codec/varint.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Encoder } from '../outlet.ts';
import { amountOf } from '../runs.ts';

/**
 * Batches → a message `genericmap.Flow` for each flow, with its JSON in an `Any`, as the collectors
 * of `network-observability-cli` read them.
 */
export function genericMapEncoder(records: RecordSource): Encoder<FlowBatch> {
  return {
    encode(batch) {
      const count = records.encode(batch);
      const { bytes: values, offsets } = records;
      let total = 0;
      for (let r = 0; r < count; r++) total += sizeOf(offsets[r + 1]! - offsets[r]!);
      const bytes = new Uint8Array(total);
      let at = 0;
      return Array.from({ length: count }, (_, r) => {
        const from = at;
        at = writeFlow(bytes, at, values, offsets[r]!, offsets[r + 1]!);
        return { bytes: bytes.subarray(from, at), amount: amountOf(batch, { from: r, to: r + 1 }) };
      });
    },
  };
}

/** Bytes of an `Any` with a value of so many. */
function anyBytes(length: number): number {
  return 1 + uintBytes(length) + length;
}

function sizeOf(length: number): number {
  const any = anyBytes(length);
  return 1 + uintBytes(any) + any;
}

/** Writes the flow whose JSON is `values[from .. to]` at `at`; returns where it ends. */
function writeFlow(
  bytes: Uint8Array,
  at: number,
  values: Uint8Array,
  from: number,
  to: number,
): number {
  bytes[at] = FLOW_MAP_TAG;
  const any = writeUint(bytes, at + 1, anyBytes(to - from));
  bytes[any] = ANY_VALUE_TAG;
  const value = writeUint(bytes, any + 1, to - from);
  bytes.set(values.subarray(from, to), value);
  return value + to - from;
}
