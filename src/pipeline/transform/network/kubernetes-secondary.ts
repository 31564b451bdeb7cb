import { WordTable } from '../../../base/word-table.ts';
import type { FlowBatch, ListColumn } from '../../../flow/batch.ts';
import { type InternTables, MISSING } from '../../../flow/intern.ts';
import { type FactSpans, NO_FACT, type TimedFacts, TimedMemo } from '../../../flow/timed-memo.ts';
import type { ClusterIndex } from '../../../kube/index/cluster-index.ts';
import type { NetworkIndex } from '../../../kube/index/needs.ts';
import { multusKey, udnKey } from '../../../kube/index/networks.ts';

/** Fields of the rule. */
export interface FinderFields {
  readonly ipField: string;
  readonly interfacesField: string;
  readonly udnsField: string;
  readonly macField: string;
}

/** Words of a key: ids of the network or interface, of the address, of the MAC. */
const KEY_WORDS = 3;
/** Keys that are numbered before the numbering begins anew. */
const KEYS_MAX = 262_144;
/** Items of a list that are looked at in one flow. */
const ITEMS_MAX = 16;

/**
 * Finds pods by what identifies them in one kind of secondary network. Each combination of ids gets
 * a number, for which facts are kept as for addresses: no text is made per row.
 */
export class SecondaryFinder implements TimedFacts {
  readonly reads: readonly string[];
  readonly #network: NetworkIndex;
  readonly #fields: FinderFields;
  readonly #index: ClusterIndex;
  readonly #memo = new TimedMemo();
  readonly #keys = new WordTable(KEY_WORDS);
  readonly #words = new Uint32Array(KEY_WORDS);
  #tables: InternTables | undefined;
  #clearings = 0;
  #numbers = new Uint32Array(0);

  constructor(network: NetworkIndex, fields: FinderFields, index: ClusterIndex) {
    this.#network = network;
    this.#fields = fields;
    this.#index = index;
    const list = this.#listField;
    this.reads = [...(list === '' ? [] : [list]), ...(network.mac ? [fields.macField] : [])];
  }

  /** Both counts only grow, so a change of either changes the sum. */
  get version(): number {
    return this.#index.version + this.#clearings;
  }

  get size(): number {
    return this.#keys.end;
  }

  find(number: number, tables: InternTables, spans: FactSpans): void {
    const item = tables.strings.text(this.#keys.word(number, 0));
    const ip = tables.addresses.text(this.#keys.word(number, 1));
    const mac = tables.macs.text(this.#keys.word(number, 2));
    const key = this.#network.udn
      ? udnKey(item, ip)
      : multusKey(this.#network, { interface: item, ip, mac });
    if (key !== undefined) this.#index.findKey(key, spans);
  }

  /** Sets the facts of rows that have none yet. */
  fill(batch: FlowBatch, addresses: Uint32Array, timesMs: Float64Array, facts: Uint32Array): void {
    if (this.reads.some((name) => !batch.has(name))) return;
    this.#beginBatch(batch);
    const { length, tables } = batch;
    const list = this.#listField === '' ? undefined : batch.list(this.#listField);
    const macs = this.#network.mac ? batch.ids(this.#fields.macField) : undefined;
    const numbers = this.#numbers;
    const passes = list === undefined ? 1 : ITEMS_MAX;
    for (let item = 0; item < passes; item++) {
      const found = this.#number(length, item, { list, addresses, macs, facts });
      if (found === 0) return;
      this.#memo.fill(length, numbers, timesMs, tables, this, numbers);
      fillGaps(length, facts, numbers);
    }
  }

  get #listField(): string {
    const { udn, interface: inter } = this.#network;
    if (udn) return this.#fields.udnsField;
    return inter ? this.#fields.interfacesField : '';
  }

  #beginBatch({ tables, capacity }: FlowBatch): void {
    if (this.#numbers.length < capacity) this.#numbers = new Uint32Array(capacity);
    if (this.#tables === tables && this.#keys.size < KEYS_MAX) return;
    this.#tables = tables;
    this.#keys.clear();
    this.#clearings++;
  }

  /** Numbers the keys of rows without a fact; returns how many have one. */
  #number(
    length: number,
    item: number,
    columns: {
      readonly list: ListColumn | undefined;
      readonly addresses: Uint32Array;
      readonly macs: Uint32Array | undefined;
      readonly facts: Uint32Array;
    },
  ): number {
    const { list, addresses, macs, facts } = columns;
    const usesIp = this.#network.ip || this.#network.udn;
    const words = this.#words;
    let count = 0;
    for (let row = 0; row < length; row++) {
      this.#numbers[row] = MISSING;
      if (facts[row] !== NO_FACT || addresses[row] === MISSING) continue;
      words[0] = 0;
      if (list !== undefined) {
        const at = list.offsets[row]! + item;
        if (at >= list.offsets[row + 1]!) continue;
        words[0] = list.values[at]!;
      }
      words[1] = usesIp ? addresses[row]! : 0;
      words[2] = macs === undefined ? 0 : macs[row]!;
      if (macs !== undefined && words[2] === MISSING) continue;
      this.#numbers[row] = this.#keys.put(words, 0);
      count++;
    }
    return count;
  }
}

/** Facts that are known stay. */
export function fillGaps(length: number, facts: Uint32Array, others: Uint32Array): void {
  for (let row = 0; row < length; row++) {
    if (facts[row] === NO_FACT) facts[row] = others[row]!;
  }
}
