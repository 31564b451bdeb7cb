import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { type InternTables, MISSING } from '../../../flow/intern.ts';
import { NO_FACT } from '../../../flow/timed-memo.ts';
import type { ClusterIndex } from '../../../kube/index/cluster-index.ts';
import type { KubeColumn } from './kubernetes-columns.ts';

/** In the memo: the fact has no such value. Ids are stored plus one. */
const NOTHING = 1;

/** The values of one field by fact: an array look-up per row. */
export class FactColumn {
  readonly #column: KubeColumn;
  readonly #index: ClusterIndex;
  readonly #tracked: ReadonlySet<string>;
  readonly #memo = new IdMemo();

  constructor(column: KubeColumn, index: ClusterIndex, tracked: ReadonlySet<string>) {
    this.#column = column;
    this.#index = index;
    this.#tracked = tracked;
  }

  /** Sets the value in each row whose fact has one; other rows keep theirs. */
  fill(length: number, facts: Uint32Array, tables: InternTables, output: Uint32Array): void {
    const { names, factsEnd } = this.#index;
    const memo = this.#memo.for(tables, factsEnd, names.version, (version) => names.since(version));
    for (let row = 0; row < length; row++) {
      const fact = facts[row]!;
      if (fact === NO_FACT) continue;
      let value = memo[fact]!;
      if (value === UNKNOWN) {
        value = this.#find(fact, tables) + 1;
        memo[fact] = value;
      }
      if (value !== NOTHING) output[row] = value - 1;
    }
  }

  #find(fact: number, tables: InternTables): number {
    const named = this.#index.named(fact);
    const text = named && this.#column.value(named, this.#index, this.#tracked);
    if (text === undefined || text === '') return MISSING;
    const table = this.#column.kind === 'addr' ? tables.addresses : tables.strings;
    return table.internText(text);
  }
}
