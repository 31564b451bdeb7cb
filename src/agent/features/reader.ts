import type { FlowBatch } from '../../flow/batch.ts';
import type { DrainBuffer, DrainFacts } from '../drain/buffer.ts';

/** A feature at work in user space: turns what its programs left in entries into columns. */
export interface FeatureReader {
  /** Once per drain, after the swap and before the first entries: reads rings, resolves names. */
  prepare?(facts: DrainFacts): Promise<void> | void;
  /**
   * Leaves flows out before anything is made of them: moves the others to the front of the buffer
   * and returns how many they are. What is left out is counted as filtered.
   */
  select?(buffer: DrainBuffer, length: number): number;
  /** Fills the feature's columns for the first `length` entries, where the batch has them. */
  decode(buffer: DrainBuffer, length: number, batch: FlowBatch, facts: DrainFacts): void;
  /**
   * After the last entries: fills the buffer with entries of flows that the kernel had none for,
   * and returns how many. They are decoded as all others are. Called until it returns 0.
   */
  makeFlows?(buffer: DrainBuffer): number;
  /** Once per drain, after all entries. */
  finish?(): void;
  /** Releases what it holds; no drain comes after it. */
  stop?(): Promise<void>;
}
