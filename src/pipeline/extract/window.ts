import type { Results } from './results.ts';

const INITIAL_CAPACITY = 1024;

/** Numbers of flows in order of arrival: a ring that grows up to a limit. */
export class Window {
  readonly #limit: number;
  #times = new Float64Array(INITIAL_CAPACITY);
  #slots = new Uint32Array(INITIAL_CAPACITY);
  #numbers = new Float64Array(INITIAL_CAPACITY);
  #start = 0;
  #size = 0;

  /** `limit`: the most entries; a power of two from 1024 on. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds an entry; true if the oldest one had to make room for it. */
  add(timeMs: number, slot: number, number: number): boolean {
    const isFull = this.#size === this.#limit;
    if (isFull) this.#drop();
    else if (this.#size === this.#times.length) this.#grow();
    const at = (this.#start + this.#size++) & (this.#times.length - 1);
    this.#times[at] = timeMs;
    this.#slots[at] = slot;
    this.#numbers[at] = number;
    return isFull;
  }

  /** Removes the entries up to a time. */
  expire(timeMs: number): void {
    while (this.#size > 0 && this.#times[this.#start]! <= timeMs) this.#drop();
  }

  /** Adds the number of each entry to the results of its slot, the oldest first. */
  addTo(results: Results): void {
    const mask = this.#times.length - 1;
    for (let i = 0; i < this.#size; i++) {
      const at = (this.#start + i) & mask;
      results.addOne(this.#slots[at]!, this.#numbers[at]!);
    }
  }

  #drop(): void {
    this.#start = (this.#start + 1) & (this.#times.length - 1);
    this.#size--;
  }

  #grow(): void {
    const length = this.#times.length;
    const times = new Float64Array(length * 2);
    const slots = new Uint32Array(length * 2);
    const numbers = new Float64Array(length * 2);
    for (let i = 0; i < this.#size; i++) {
      const at = (this.#start + i) & (length - 1);
      times[i] = this.#times[at]!;
      slots[i] = this.#slots[at]!;
      numbers[i] = this.#numbers[at]!;
    }
    this.#times = times;
    this.#slots = slots;
    this.#numbers = numbers;
    this.#start = 0;
  }
}
