import type { Component } from '../../base/component.ts';
import type { FlowAmount } from '../../deliver/message.ts';
import { BatchLayout, type ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { FlowOutlet } from './outlet.ts';

/**
 * The destination of an agent's flows when it has no pipeline. A collector that is dead, slow or
 * silent never delays a drain: encoded flows wait in a bounded spool, and flows that do not fit, or
 * cannot be delivered in time, are counted.
 */
export interface Exporter extends Component {
  /** An empty batch of the exported columns; its ids are of the current generation. */
  take(): FlowBatch;
  /**
   * Encodes the flows and spools them; `take` may hand out the batch again. False: there was no
   * room, and none of them was taken.
   */
  emit(batch: FlowBatch): boolean;
  /** Ready while flows are accepted and delivered. */
  readiness(): HealthState;
  /** Flows that were handed over and could not be delivered since the signal to end. */
  lostAtEnd(): number;
  /** Flows that wait to be sent. */
  backlog(): FlowAmount;
}

/** One batch is enough: it is encoded before the next is taken. */
export class OutletExporter implements Exporter {
  readonly #outlet: FlowOutlet;
  readonly #tables: TableSpace;
  readonly #batch: FlowBatch;

  constructor(outlet: FlowOutlet, tables: TableSpace, columns: readonly ColumnSpec[]) {
    this.#outlet = outlet;
    this.#tables = tables;
    this.#batch = new FlowBatch(new BatchLayout(columns), tables.current);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#outlet.start(signal);
  }

  stop(): Promise<void> {
    return this.#outlet.stop();
  }

  take(): FlowBatch {
    this.#tables.rotateIfFull();
    this.#batch.reset(this.#tables.current);
    return this.#batch;
  }

  emit(batch: FlowBatch): boolean {
    return this.#outlet.offer(batch);
  }

  readiness(): HealthState {
    return this.#outlet.readiness();
  }

  backlog(): FlowAmount {
    return this.#outlet.backlog();
  }

  lostAtEnd(): number {
    return this.#outlet.lostAtEnd();
  }
}
