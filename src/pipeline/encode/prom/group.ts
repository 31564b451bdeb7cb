import { assert } from '../../../base/assert.ts';
import { NO_NUMBER, WordTable } from '../../../base/word-table.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import type { SeriesBudget } from './budget.ts';
import type { LabelValues } from './label-values.ts';

/** Row whose slot has not been looked up yet in this batch. */
const UNRESOLVED = -1;

/**
 * The series of samples without room, which is outside of the budget. Without labels it is the only
 * series.
 */
export const OTHER_SLOT = 1;
/** Each label of that series. */
const OTHER_VALUE = 'other';

export interface Label {
  /** Field, or `Field>Key` of a flattened list of maps. */
  readonly field: string;
  readonly name: string;
}

/** The present: the sweeper's tick, and milliseconds since 1970. */
export interface Now {
  readonly tick: number;
  readonly ms: number;
  /** Series that were last seen before this tick are hidden. From 1 on. */
  readonly oldest: number;
}

/** When the series of a metric began and were last seen. */
export class SeenSeries {
  /** Last tick of the sweeper at which each series was seen; 0: there is no series. */
  ticks = new Uint32Array(0);
  /** Milliseconds since 1970. */
  beganMs = new Float64Array(0);
  /** `beganMs` of the last series of each slot that remote write has sent. */
  sentMs = new Float64Array(0);

  isShown(slot: number, oldest: number): boolean {
    return slot < this.ticks.length && this.ticks[slot]! >= oldest;
  }

  /** Shows a series that is new, or was hidden. `slots`: room that is needed for all. */
  show(slot: number, slots: number, now: Now): void {
    this.#reserve(slots);
    if (this.ticks[slot] === 0) this.beganMs[slot] = now.ms;
    this.ticks[slot] = now.tick;
  }

  #reserve(slots: number): void {
    if (this.ticks.length >= slots) return;
    const ticks = new Uint32Array(slots);
    const beganMs = new Float64Array(slots);
    const sentMs = new Float64Array(slots);
    ticks.set(this.ticks);
    beganMs.set(this.beganMs);
    sentMs.set(this.sentMs);
    this.ticks = ticks;
    this.beganMs = beganMs;
    this.sentMs = sentMs;
  }
}

/**
 * Metrics with the same labels: a flow's tuple of label values is looked up once for all of them,
 * and its slot is the index into their accumulators.
 */
export class LabelGroup {
  readonly labels: readonly Label[];
  readonly tuples: WordTable;
  readonly #values: LabelValues;
  readonly #budget: SeriesBudget;
  readonly #texts: (string | undefined)[] = [];
  /** Label values of the current batch, row by row. */
  #words = new Uint32Array(0);
  #slots = new Int32Array(0);
  #loaded = false;

  constructor(labels: readonly Label[], values: LabelValues, budget: SeriesBudget) {
    this.labels = labels;
    this.tuples = new WordTable(labels.length);
    this.#values = values;
    this.#budget = budget;
    const other = new Uint32Array(labels.length).fill(values.idOf(OTHER_VALUE));
    const slot = this.tuples.put(other, 0);
    assert(slot === OTHER_SLOT, 'the first tuple is that of other');
  }

  /** Forgets the previous batch. */
  begin(batch: FlowBatch): void {
    this.#loaded = false;
    if (this.#slots.length >= batch.capacity) return;
    this.#slots = new Int32Array(batch.capacity);
    this.#words = new Uint32Array(batch.capacity * this.labels.length);
  }

  /**
   * Finds the series of `rows[0 .. count]`, puts their slots into `slots`, and marks them as seen.
   * Makes new series within the budget; beyond it, rows go to the series of `other`.
   */
  resolve(
    batch: FlowBatch,
    rows: Uint32Array,
    count: number,
    slots: Int32Array,
    seen: SeenSeries,
    now: Now,
  ): void {
    if (!this.#loaded) this.#load(batch);
    const bySlot = this.#slots;
    const width = this.tuples.width;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      let slot = bySlot[row]!;
      if (slot === UNRESOLVED) {
        slot = this.#slotOf(this.#words, row * width);
        bySlot[row] = slot;
      }
      slots[i] = this.#admit(slot, seen, now);
    }
  }

  /** The same for one tuple given by its words. */
  resolveWords(words: Uint32Array, seen: SeenSeries, now: Now): number {
    return this.#admit(this.#slotOf(words, 0), seen, now);
  }

  /** Value of a label of a series. */
  valueOf(slot: number, label: number): string {
    return this.#values.text(this.tuples.word(slot, label));
  }

  /** `name="value",…` of a series, made on first use. */
  labelText(slot: number): string {
    const known = this.#texts[slot];
    if (known !== undefined) return known;
    const text = this.labels
      .map(({ name }, index) => `${name}="${escapeLabel(this.valueOf(slot, index))}"`)
      .join(',');
    this.#texts[slot] = text;
    return text;
  }

  forget(slot: number): void {
    this.tuples.release(slot);
    this.#texts[slot] = undefined;
  }

  #load(batch: FlowBatch): void {
    this.#loaded = true;
    this.#slots.fill(UNRESOLVED, 0, batch.length);
    for (const [at, { field }] of this.labels.entries()) {
      const stride = this.labels.length;
      const { selection, selected } = batch;
      this.#values.read(batch, field, selection, selected, this.#words, at, stride);
    }
  }

  /** Slot of a tuple; `NO_NUMBER` for a new one when the budget is spent. */
  #slotOf(words: Uint32Array, at: number): number {
    const slot = this.tuples.find(words, at);
    return slot !== NO_NUMBER || this.#budget.spent ? slot : this.tuples.put(words, at);
  }

  /** The slot, or that of `other` if it would be another series to show. */
  #admit(slot: number, seen: SeenSeries, now: Now): number {
    if (seen.isShown(slot, now.oldest)) {
      seen.ticks[slot] = now.tick;
      return slot;
    }
    let shown = slot;
    if (slot === NO_NUMBER || (slot !== OTHER_SLOT && this.#budget.spent)) {
      this.#budget.refuse();
      shown = OTHER_SLOT;
    } else if (slot !== OTHER_SLOT) {
      this.#budget.take();
    }
    seen.show(shown, this.tuples.capacity, now);
    return shown;
  }
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => {
    if (character === '\n') return '\\n';
    return `\\${character}`;
  });
}
