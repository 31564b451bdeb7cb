/**
 * The number of series that a stage may have, over all its metrics, and of samples that did not
 * fit.
 */
export class SeriesBudget {
  readonly #max: number;
  readonly #onDropped: () => void;
  #taken = 0;

  constructor(max: number, onDropped: () => void) {
    this.#max = max;
    this.#onDropped = onDropped;
  }

  get taken(): number {
    return this.#taken;
  }

  get spent(): boolean {
    return this.#taken >= this.#max;
  }

  take(): void {
    this.#taken++;
  }

  give(): void {
    this.#taken--;
  }

  /** A sample was left out because its series would have been a new one. */
  dropped(): void {
    this.#onDropped();
  }
}
