import type { Clock } from '../../base/clock.ts';
import { JsonLineReader } from '../../codec/json/line-reader.ts';
import type { F64Column, FlowBatch } from '../../flow/batch.ts';
import { hasBit, setBit } from '../../flow/bits.ts';
import type { CoercionFailures } from '../../flow/row.ts';
import type { StageContext } from '../stage.ts';

const MS_PER_S = 1000;

/** Flows as JSON objects. One that does not say when it was received gets the current time. */
export class JsonFlows {
  readonly #counts: StageContext['counts'];
  readonly #clock: Clock;
  readonly #reader = new JsonLineReader();
  readonly #failures: CoercionFailures = new Map();

  constructor({ counts, deps }: StageContext) {
    this.#counts = counts;
    this.#clock = deps.clock;
  }

  /** Adds a flow; false: the batch is full. Throws a coded error for what is not a flow. */
  add(batch: FlowBatch, text: Uint8Array): boolean {
    if (!this.#reader.read(batch, text, this.#failures)) return false;
    stampReceived(batch, batch.length - 1, this.#clock.nowMs());
    return true;
  }

  /** Counts the flows of a batch, and their values that did not fit. */
  count(batch: FlowBatch): void {
    this.#counts.ingested(batch.length);
    for (const [field, values] of this.#failures) this.#counts.unconverted(field, values);
    this.#failures.clear();
  }
}

/** Gives a flow that does not say when it was received the current time. */
export function stampReceived(batch: FlowBatch, row: number, nowMs: number): void {
  const index = batch.layout.indexOf('TimeReceived');
  if (index === -1) return;
  const { values, present } = batch.columnAt(index) as F64Column;
  if (hasBit(present, row)) return;
  values[row] = Math.floor(nowMs / MS_PER_S);
  setBit(present, row);
}
