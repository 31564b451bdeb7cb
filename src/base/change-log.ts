/**
 * The last changes, by version: who has looked at an earlier version looks at these again, and not
 * at everything. Who is too far behind takes everything for changed.
 */
export class ChangeLog<T> {
  readonly #changesMax: number;
  #changes: T[] = [];
  /** The version before the first of the changes. */
  #from = 1;

  constructor(changesMax: number) {
    this.#changesMax = changesMax;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#from + this.#changes.length;
  }

  add(change: T): void {
    // Half of them go at once, since moving the others takes time.
    if (this.#changes.length >= this.#changesMax) {
      const oldest = Math.ceil(this.#changesMax / 2);
      this.#changes = this.#changes.slice(oldest);
      this.#from += oldest;
    }
    this.#changes.push(change);
  }

  /** Anything may have changed. */
  addAll(): void {
    this.#from = this.version + 1;
    this.#changes = [];
  }

  /** The changes after a version; undefined: anything may have changed. */
  since(version: number): readonly T[] | undefined {
    return version < this.#from ? undefined : this.#changes.slice(version - this.#from);
  }
}
