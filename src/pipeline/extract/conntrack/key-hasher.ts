import type { FlowBatch } from '../../../flow/batch.ts';
import { Digests } from './digests.ts';
import { Hashes } from './fnv.ts';

/** Fields of the groups that a hash is made of. */
export interface HashGroups {
  /** The same in both directions. */
  readonly common: readonly (readonly string[])[];
  /** The sides of a connection; undefined: it has none. */
  readonly sides: { readonly a: readonly string[]; readonly b: readonly string[] } | undefined;
}

/** Hashes of the keys of a batch's flows; their index is that of `rows`. */
export class KeyHasher {
  readonly total = new Hashes();
  /** Hashes of the sides of each flow; without sides they are not used. */
  readonly a = new Hashes();
  readonly b = new Hashes();
  readonly #groups: HashGroups;
  readonly #onMissing: (field: string, flows: number) => void;
  readonly #digests = new Digests();
  readonly #field = new Hashes();
  readonly #group = new Hashes();
  readonly #lower = new Hashes();
  readonly #higher = new Hashes();

  constructor(groups: HashGroups, onMissing: (field: string, flows: number) => void) {
    this.#groups = groups;
    this.#onMissing = onMissing;
  }

  hash(batch: FlowBatch, rows: Uint32Array, count: number): void {
    const { total, a, b } = this;
    const scratch = [this.#field, this.#group, this.#lower, this.#higher];
    for (const hashes of [total, a, b, ...scratch]) hashes.reserve(rows.length);
    total.begin(count);
    for (const fields of this.#groups.common) {
      this.#hashGroup(batch, fields, rows, count, this.#group);
      total.absorb(this.#group, count);
    }
    const { sides } = this.#groups;
    if (sides === undefined) return;
    this.#hashGroup(batch, sides.a, rows, count, a);
    this.#hashGroup(batch, sides.b, rows, count, b);
    const lower = this.#lower;
    const higher = this.#higher;
    for (let i = 0; i < count; i++) {
      const isAbove = a.isAbove(i, b);
      lower.high[i] = isAbove ? b.high[i]! : a.high[i]!;
      lower.low[i] = isAbove ? b.low[i]! : a.low[i]!;
      higher.high[i] = isAbove ? a.high[i]! : b.high[i]!;
      higher.low[i] = isAbove ? a.low[i]! : b.low[i]!;
    }
    total.absorb(lower, count);
    total.absorb(higher, count);
  }

  #hashGroup(
    batch: FlowBatch,
    fields: readonly string[],
    rows: Uint32Array,
    count: number,
    into: Hashes,
  ): void {
    into.begin(count);
    for (const field of fields) {
      const missing = this.#digests.read(batch, field, rows, count, this.#field);
      if (missing > 0) this.#onMissing(field, missing);
      into.absorb(this.#field, count);
    }
  }
}
