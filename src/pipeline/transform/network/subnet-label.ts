import { parseCidr } from '../../../base/ip.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import type { InternTables } from '../../../flow/intern.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import { SubnetTrie } from './subnet-trie.ts';

export interface SubnetLabel {
  readonly name: string;
  readonly cidrs: readonly string[];
}

/** In the memo: the address has no label. Label ids are stored plus one. */
const NO_LABEL = 1;

/** The labels of one network stage; its rules share the facts about addresses. */
export class SubnetLabels {
  readonly #trie = new SubnetTrie();
  readonly #names: string[] = [''];
  readonly #memo = new IdMemo();
  readonly #bytes = new Uint8Array(16);

  constructor(labels: readonly SubnetLabel[], path: string) {
    const problems = new ConfigProblems();
    for (const [index, label] of labels.entries()) {
      const value = this.#names.push(label.name) - 1;
      for (const [position, text] of label.cidrs.entries()) {
        const place = `${path}.subnetLabels[${index}].cidrs[${position}]`;
        problems.attempt(() => this.#insert(text, value, place));
      }
    }
    problems.throwAll();
  }

  #insert(text: string, value: number, place: string): void {
    const cidr = parseCidr(text);
    if (cidr === undefined) {
      const problem = `"${text}" is not a CIDR such as 10.0.0.0/8 or fd00::/8`;
      throw configError(PIPELINE_ERRORS.cidr, place, problem);
    }
    // An empty name is a hole cut into a wider prefix: it labels nothing.
    this.#trie.insert(cidr, value);
  }

  /** Writes the label of each address that has one; other rows keep their values. */
  label(batch: FlowBatch, addresses: Uint32Array, output: Uint32Array): void {
    const { tables } = batch;
    const memo = this.#memo.for(tables, tables.addresses.size);
    const length = batch.length;
    for (let row = 0; row < length; row++) {
      const id = addresses[row]!;
      if (id === 0) continue;
      let fact = memo[id]!;
      if (fact === UNKNOWN) {
        fact = this.#find(tables, id);
        memo[id] = fact;
      }
      if (fact !== NO_LABEL) output[row] = fact - 1;
    }
  }

  #find(tables: InternTables, id: number): number {
    tables.addresses.copyTo(id, this.#bytes, 0);
    const name = this.#names[this.#trie.longest(this.#bytes, 0)]!;
    return name === '' ? NO_LABEL : tables.strings.intern(name) + 1;
  }
}

/** Names the subnet of an address: the one with the longest prefix, in any order of the list. */
export function addSubnetLabel(
  labels: SubnetLabels,
  rule: { readonly input: string; readonly output: string },
  context: StageContext,
): Transform {
  const { input, output } = rule;
  requireKind(context, 'add_subnet_label.input', input, ['addr']);
  return {
    kind: 'transform',
    name: `add_subnet_label ${input}`,
    reads: [input, output],
    writes: [{ name: output, kind: 'str' }],
    apply(batch) {
      if (batch.has(input)) labels.label(batch, batch.ids(input), batch.ids(output));
    },
  };
}
