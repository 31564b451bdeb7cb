import type { FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';

/** A time of each row, milliseconds since 1970. */
export interface RowTimes {
  /** The time of a row, or `otherwise` if it has none. */
  at(row: number, otherwise: number): number;
}

/** When the first packets of the flows were seen. */
export function startOf(batch: FlowBatch): RowTimes {
  return new Times(batch, 'TimeFlowStartMs');
}

/** When the last packets of the flows were seen. */
export function endOf(batch: FlowBatch): RowTimes {
  return new Times(batch, 'TimeFlowEndMs');
}

class Times implements RowTimes {
  readonly #values: Float64Array | undefined;
  readonly #present: Uint32Array | undefined;

  constructor(batch: FlowBatch, name: string) {
    if (batch.layout.kindOf(name) !== 'f64' || batch.filled(name) === undefined) return;
    this.#values = batch.f64(name);
    this.#present = batch.present(name);
  }

  at(row: number, otherwise: number): number {
    const isThere = this.#present !== undefined && hasBit(this.#present, row);
    return isThere ? this.#values![row]! : otherwise;
  }
}
