/** The number of series that a stage may expose, over all its metrics, besides those of `other`. */
export class SeriesBudget {
  max: number;
  #taken = 0;
  #refused = 0;

  constructor(max: number) {
    this.max = max;
  }

  get taken(): number {
    return this.#taken;
  }

  get spent(): boolean {
    return this.#taken >= this.max;
  }

  take(): void {
    this.#taken++;
  }

  give(series: number): void {
    this.#taken -= series;
  }

  /** A sample is in the series of `other`, since its own would have been a new one. */
  refuse(): void {
    this.#refused++;
  }

  /** Samples that were refused since the last call. */
  takeRefused(): number {
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }
}
