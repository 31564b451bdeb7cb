import type { Component } from '../../base/component.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { HealthState } from '../../telemetry/health.ts';

/** Flows and the packets in them. */
export interface FlowAmount {
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
}

/**
 * Where an agent on its own sends its flows. A collector that is dead, slow or silent never makes
 * the drain wait: what is encoded waits in a bounded spool, and what finds no room there, or
 * cannot be delivered in time, is counted.
 */
export interface Exporter extends Component {
  /** An empty batch of the columns that are sent; its ids are of the current generation. */
  take(): FlowBatch;
  /**
   * Encodes the flows and spools them; the batch may be handed out by `take` again. False: there
   * was no room, and none of them was taken.
   */
  emit(batch: FlowBatch): boolean;
  /** Whether what it takes gets away. */
  readiness(): HealthState;
  /** Flows that it was given and could not deliver since the signal to end. */
  lostAtEnd(): number;
  /** What waits to be sent. */
  backlog(): FlowAmount;
}
