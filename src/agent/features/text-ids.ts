import type { InternTables } from '../../flow/intern.ts';

/** Limit of remembered numbers; when there are more, all are forgotten. */
const REMEMBERED_MAX = 4096;

/** Ids of texts by number, so that a text is made once and not for every flow. */
export class TextIds {
  readonly #textOf: (number: number) => string;
  readonly #ids = new Map<number, number>();
  #generation = 0;

  constructor(textOf: (number: number) => string) {
    this.#textOf = textOf;
  }

  idOf(number: number, tables: InternTables): number {
    if (tables.generation !== this.#generation || this.#ids.size >= REMEMBERED_MAX) this.forget();
    this.#generation = tables.generation;
    const known = this.#ids.get(number);
    if (known !== undefined) return known;
    const id = tables.strings.intern(this.#textOf(number));
    this.#ids.set(number, id);
    return id;
  }

  /** Call this when the texts may have changed. */
  forget(): void {
    this.#ids.clear();
  }
}
