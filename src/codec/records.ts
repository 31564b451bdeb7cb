import type { FlowBatch } from '../flow/batch.ts';

/** Encodes the selected rows of a batch, one record each. */
export interface RecordSource {
  /** Returns the number of records. */
  encode(batch: FlowBatch): number;
  /** The records, in the encoder's buffer: valid until the next `encode`. */
  readonly bytes: Uint8Array;
  /** Record `r` is `bytes[offsets[r] .. offsets[r + 1]]`. */
  readonly offsets: Uint32Array;
}
