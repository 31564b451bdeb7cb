/** Operations over the numbers of a group. */
export type Operation = 'sum' | 'min' | 'max' | 'count' | 'avg' | 'raw_values' | 'last' | 'diff';

/** Results by slot of a group; NaN is not a number of the group. */
export class Results {
  #flows = new Float64Array(0);
  /** Flows that have a number. */
  #numbers = new Float64Array(0);
  #sum = new Float64Array(0);
  #min = new Float64Array(0);
  #max = new Float64Array(0);
  #first = new Float64Array(0);
  #last = new Float64Array(0);

  reserve(capacity: number): void {
    this.#flows = grown(this.#flows, capacity);
    this.#numbers = grown(this.#numbers, capacity);
    this.#sum = grown(this.#sum, capacity);
    this.#min = grown(this.#min, capacity);
    this.#max = grown(this.#max, capacity);
    this.#first = grown(this.#first, capacity);
    this.#last = grown(this.#last, capacity);
  }

  clear(slot: number): void {
    this.#flows[slot] = 0;
    this.#numbers[slot] = 0;
    this.#sum[slot] = 0;
  }

  add(slots: Uint32Array, numbers: Float64Array, count: number): void {
    for (let i = 0; i < count; i++) this.addOne(slots[i]!, numbers[i]!);
  }

  addOne(slot: number, number: number): void {
    this.#flows[slot]! += 1;
    if (Number.isNaN(number)) return;
    const isFirst = this.#numbers[slot] === 0;
    this.#numbers[slot]! += 1;
    this.#sum[slot]! += number;
    if (isFirst || number < this.#min[slot]!) this.#min[slot] = number;
    if (isFirst || number > this.#max[slot]!) this.#max[slot] = number;
    if (isFirst) this.#first[slot] = number;
    this.#last[slot] = number;
  }

  flows(slot: number): number {
    return this.#flows[slot]!;
  }

  /** Undefined: there is no number that it could be made of. */
  value(slot: number, operation: Operation): number | undefined {
    if (operation === 'count') return this.#flows[slot]!;
    if (operation === 'sum') return this.#sum[slot]!;
    const numbers = this.#numbers[slot]!;
    if (numbers === 0) return undefined;
    switch (operation) {
      case 'min':
        return this.#min[slot]!;
      case 'max':
        return this.#max[slot]!;
      case 'avg':
        return this.#sum[slot]! / numbers;
      case 'last':
        return this.#last[slot]!;
      case 'diff':
        return this.#last[slot]! - this.#first[slot]!;
      case 'raw_values':
        return undefined;
    }
  }
}

function grown(values: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (values.length >= length) return values;
  const larger = new Float64Array(length);
  larger.set(values);
  return larger;
}
