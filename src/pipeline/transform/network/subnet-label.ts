import { explain } from '../../../base/errors.ts';
import { type Cidr, parseCidr } from '../../../base/ip.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import type { InternTables } from '../../../flow/intern.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import { NetworkList } from './network-list.ts';
import { SubnetTrie } from './subnet-trie.ts';

export interface SubnetLabel {
  readonly name: string;
  readonly cidrs?: readonly string[];
  /** File with further networks. Empty or absent: none. */
  readonly file?: string;
}

/** In the memo: the address has no label. Label ids are stored plus one. */
const NO_LABEL = 1;
/** Time between two looks at the files, milliseconds. */
const LOOK_PERIOD_MS = 30_000;

/** The networks of one label, and the label's number. */
interface Labelled {
  readonly value: number;
  readonly own: readonly Cidr[];
  readonly list: NetworkList | undefined;
  listed: readonly Cidr[];
}

/**
 * The labels of one network stage; its rules share the facts about addresses. Files are read again
 * when they change; if a new one cannot be used, the old networks stay.
 */
export class SubnetLabels {
  readonly #context: Pick<StageContext, 'name' | 'path' | 'deps'>;
  readonly #labels: readonly Labelled[];
  #trie = new SubnetTrie();
  readonly #names: string[] = [''];
  readonly #memo = new IdMemo();
  readonly #bytes = new Uint8Array(16);
  #version = 0;
  #lookedMs: number;

  constructor(
    labels: readonly SubnetLabel[],
    context: Pick<StageContext, 'name' | 'path' | 'deps'>,
  ) {
    this.#context = context;
    this.#lookedMs = context.deps.clock.monotonicMs();
    const problems = new ConfigProblems();
    this.#labels = labels.map(({ name, cidrs = [], file = '' }, index) => {
      const place = `${context.path}.subnetLabels[${index}]`;
      const own = cidrs.flatMap((text, position) => {
        const cidr = problems.attempt(() => checkedCidr(text, `${place}.cidrs[${position}]`));
        return cidr === undefined ? [] : [cidr];
      });
      const list = file === '' ? undefined : new NetworkList(file);
      const listed = list && problems.attempt(() => readList(list, file, `${place}.file`));
      return { value: this.#names.push(name) - 1, own, list, listed: listed ?? [] };
    });
    problems.throwAll();
    this.#build();
  }

  #build(): void {
    this.#trie = new SubnetTrie();
    // An empty name is a hole cut into a wider prefix: it labels nothing.
    for (const { value, own, listed } of this.#labels) {
      for (const cidr of own) this.#trie.insert(cidr, value);
      for (const cidr of listed) this.#trie.insert(cidr, value);
    }
    this.#version++;
  }

  /** Reads files that have changed. Called before each batch. */
  look(): void {
    const { clock, log } = this.#context.deps;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_PERIOD_MS) return;
    this.#lookedMs = nowMs;
    let isNew = false;
    for (const label of this.#labels) {
      if (label.list?.hasChanged() !== true) continue;
      const fields = {
        ...{ component: 'pipeline', stage: this.#context.name },
        label: this.#names[label.value],
      };
      try {
        label.listed = label.list.read();
        isNew = true;
        log.info(fields, 'the networks of a label were renewed');
      } catch (error) {
        log.warn({ ...fields, error: explain(error) }, 'the new networks cannot be used');
      }
    }
    if (isNew) this.#build();
  }

  /** Writes the label of each address that has one; other rows keep their values. */
  label(batch: FlowBatch, addresses: Uint32Array, output: Uint32Array): void {
    const { tables } = batch;
    const memo = this.#memo.for(tables, tables.addresses.size, this.#version);
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

function checkedCidr(text: string, place: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr !== undefined) return cidr;
  const problem = `"${text}" is not a CIDR such as 10.0.0.0/8 or fd00::/8`;
  throw configError(PIPELINE_ERRORS.cidr, place, problem);
}

function readList(list: NetworkList, file: string, place: string): readonly Cidr[] {
  try {
    return list.read();
  } catch (cause) {
    const problem = `cannot use ${file}: ${explain(cause)}`;
    throw configError(PIPELINE_ERRORS.cidr, place, problem, cause);
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
      labels.look();
      if (batch.has(input)) labels.label(batch, batch.ids(input), batch.ids(output));
    },
  };
}
