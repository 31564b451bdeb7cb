import type { FlowBatch } from '../../flow/batch.ts';
import { appendRow, type CoercionFailures, type Row } from '../../flow/row.ts';
import type { Inlet } from '../graph/inlet.ts';

/** Emits the few flows that are made of many, from objects: there are none for each flow. */
export class RowWriter {
  readonly #inlet: Inlet;
  readonly #failures: CoercionFailures = new Map();
  #batch: FlowBatch | undefined;

  constructor(inlet: Inlet) {
    this.#inlet = inlet;
  }

  write(row: Row): void {
    this.#batch ??= this.#inlet.take();
    if (appendRow(this.#batch, row, this.#failures)) return;
    this.end();
    this.write(row);
  }

  /** Emits what is there. Returns the values that did not fit, by field. */
  end(): CoercionFailures {
    if (this.#batch !== undefined) this.#inlet.emit(this.#batch);
    this.#batch = undefined;
    return this.#failures;
  }
}
