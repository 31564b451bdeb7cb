import type { FlowBatch } from '../../../flow/batch.ts';
import { setBit } from '../../../flow/bits.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { MISSING } from '../../../flow/intern.ts';
import type { Transform } from '../../stage.ts';
import type { GeoDatabase } from './geo-database.ts';

/** A fact about an address: text, or a number. */
export interface GeoFact {
  /** End of the names of columns that get it. */
  readonly suffix: string;
  readonly kind: 'str' | 'u32';
  /** The value in a record; undefined: it has none. */
  readonly value: (record: unknown) => string | number | undefined;
}

/** In the memo: the address is in no network of the database. */
const NOWHERE = 1;

/**
 * Facts by address, which all rules with the same database and the same facts share: an address is
 * looked up once for each id and version of the database. Facts that nobody reads are not kept.
 */
export class GeoFacts {
  readonly #database: GeoDatabase;
  readonly #facts: readonly GeoFact[];
  readonly #isUsed: boolean[];
  readonly #memo = new IdMemo();
  #uses = 0;
  #clearings = 0;
  /** For each address the values of all facts: ids of texts, numbers plus one, 0 for none. */
  #values: number[] = [];

  constructor(database: GeoDatabase, facts: readonly GeoFact[]) {
    this.#database = database;
    this.#facts = facts;
    this.#isUsed = facts.map(() => false);
  }

  /** One transform for each fact, so that the compiler leaves out those that nobody reads. */
  transforms(rule: string, input: string, prefix: string): readonly Transform[] {
    return this.#facts.map(({ suffix, kind }, index): Transform => {
      const output = `${prefix}${suffix}`;
      return {
        kind: 'transform',
        name: `${rule} ${input} ${output}`,
        // Rows whose address is in no network keep their values.
        reads: [input, output],
        writes: [{ name: output, kind }],
        start: () => this.#database.load(),
        apply: (batch) => {
          if (batch.has(input)) this.#apply(batch, batch.ids(input), index, output);
        },
      };
    });
  }

  #apply(batch: FlowBatch, addresses: Uint32Array, index: number, output: string): void {
    this.#database.look();
    if (!this.#isUsed[index]) {
      this.#isUsed[index] = true;
      this.#uses++;
    }
    const { tables } = batch;
    // A fact that is used for the first time is unknown of all addresses.
    const version = this.#database.version * (this.#facts.length + 1) + this.#uses;
    const memo = this.#memo.for(tables, tables.addresses.size, version);
    if (this.#memo.clearings !== this.#clearings) {
      this.#clearings = this.#memo.clearings;
      this.#values = [];
    }
    for (let row = 0; row < batch.length; row++) {
      const id = addresses[row]!;
      if (id !== MISSING && memo[id] === UNKNOWN) memo[id] = this.#find(batch, id);
    }
    if (this.#facts[index]!.kind === 'str') {
      fillTexts(addresses, memo, this.#values, index, batch.ids(output), batch.length);
    } else this.#fillNumbers(addresses, memo, index, batch, output);
  }

  #fillNumbers(
    addresses: Uint32Array,
    memo: Uint32Array,
    index: number,
    batch: FlowBatch,
    output: string,
  ): void {
    const values = this.#values;
    const into = batch.u32(output);
    const present = batch.present(output);
    for (let row = 0; row < batch.length; row++) {
      const id = addresses[row]!;
      const fact = id === MISSING ? NOWHERE : memo[id]!;
      const value = fact === NOWHERE ? 0 : values[fact - 2 + index]!;
      if (value === 0) continue;
      into[row] = value - 1;
      setBit(present, row);
    }
  }

  /** Looks an address up; returns `NOWHERE`, or the place of its values plus 2. */
  #find({ tables }: FlowBatch, id: number): number {
    const record = this.#database.find(tables.addresses.text(id));
    if (record === undefined) return NOWHERE;
    const place = this.#values.length;
    for (const [index, { value }] of this.#facts.entries()) {
      const found = this.#isUsed[index] ? value(record) : undefined;
      if (typeof found === 'number') this.#values.push(found + 1);
      else this.#values.push(found === undefined ? 0 : tables.strings.intern(found));
    }
    return place + 2;
  }
}

function fillTexts(
  addresses: Uint32Array,
  memo: Uint32Array,
  values: readonly number[],
  index: number,
  into: Uint32Array,
  length: number,
): void {
  for (let row = 0; row < length; row++) {
    const id = addresses[row]!;
    const fact = id === MISSING ? NOWHERE : memo[id]!;
    if (fact === NOWHERE) continue;
    const value = values[fact - 2 + index]!;
    if (value !== 0) into[row] = value;
  }
}
