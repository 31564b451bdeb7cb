import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import type { BatchOutcome } from './pool.ts';

/** The entry of the graph: a source, or an extractor, hands flows to it. */
export interface Inlet {
  /** Columns of a batch for `emit`; stages make those that no source can fill. */
  readonly layout: BatchLayout;
  /** Columns that are read and that this source can fill. */
  readonly decoded: readonly string[];
  /** An empty batch of `layout` in the current generation of the intern tables. */
  take(): FlowBatch;
  /**
   * Runs the batch through the graph. It belongs to the graph from now on, and `take` may hand it
   * out again. False: every branch dropped it, which is counted by branch and reason. `onSettled`
   * is called once, when each branch has written or lost its rows.
   */
  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean;
  /** Takes back a batch that was not emitted. */
  recycle(batch: FlowBatch): void;
  /** For sources that can wait: resolves when no blocking branch is full. Undefined: go on. */
  whenReady(): Promise<void> | undefined;
}
