import type { FlowBatch } from '../../flow/batch.ts';
import type { DrainBuffer, DrainFacts } from '../drain/buffer.ts';

/** The part of a feature in user space: converts its programs' data in entries to columns. */
export interface FeatureReader {
  /** Once per drain, after the swap and before the first entries: reads rings, resolves names. */
  prepare?(facts: DrainFacts): Promise<void> | void;
  /**
   * Leaves flows out before they are decoded: moves the others to the front of the buffer and
   * returns how many remain. Flows left out are counted as filtered.
   */
  select?(buffer: DrainBuffer, length: number): number;
  /** Fills the feature's columns for the first `length` entries, where the batch has them. */
  decode(buffer: DrainBuffer, length: number, batch: FlowBatch, facts: DrainFacts): void;
  /**
   * Called after the last entries, until it returns 0: fills the buffer with entries of flows that
   * the kernel had none for, and returns how many. They are decoded like all others.
   */
  makeFlows?(buffer: DrainBuffer): number;
  /** Once per drain, after all entries. */
  finish?(): void;
  /** Releases its resources; no drain follows. */
  stop?(): Promise<void>;
}
