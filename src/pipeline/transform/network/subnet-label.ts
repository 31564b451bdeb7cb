import { networkInterfaces } from 'node:os';
import { explain, hasCode } from '../../../base/errors.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import type { InternTables } from '../../../flow/intern.ts';
import type { RenewedFiles } from '../../../telemetry/renewed-files.ts';
import { readSmallFile } from '../../../telemetry/small-file.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import { hostNetworks } from './host-networks.ts';
import { openLabelFile } from './label-file.ts';
import { type Labelled, labelled, type SubnetLabel } from './labelled.ts';
import { SubnetTrie } from './subnet-trie.ts';

/** In the memo: the address has no label. Label ids are stored plus one. */
const NO_LABEL = 1;
/** Time between two looks at files, interfaces and routes, milliseconds. */
const LOOK_PERIOD_MS = 30_000;

interface LabelOptions {
  readonly subnetLabels: readonly SubnetLabel[];
  /** Empty: none. */
  readonly subnetLabelsFile: string;
  readonly hostNetworks: boolean;
}

/**
 * The labels of one network stage; its rules share the facts about addresses. Files are read again
 * when they change; if a new one cannot be used, the old networks stay.
 */
export class SubnetLabels {
  readonly #context: Pick<StageContext, 'name' | 'path' | 'deps'>;
  readonly #own: readonly Labelled[];
  readonly #file: RenewedFiles<readonly Labelled[]> | undefined;
  #filed: readonly Labelled[] = [];
  #host: HostLabels | undefined;
  #trie = new SubnetTrie();
  #names: string[] = [''];
  readonly #memo = new IdMemo();
  readonly #bytes = new Uint8Array(16);
  #version = 0;
  #lookedMs: number;

  constructor(options: LabelOptions, context: Pick<StageContext, 'name' | 'path' | 'deps'>) {
    this.#context = context;
    this.#lookedMs = context.deps.clock.monotonicMs();
    const problems = new ConfigProblems();
    const { subnetLabels, subnetLabelsFile: path } = options;
    const own = problems.attempt(() => labelled(subnetLabels, `${context.path}.subnetLabels`));
    this.#own = own ?? [];
    this.#file = path === '' ? undefined : problems.attempt(() => openLabelFile(path, context));
    problems.throwAll();
    this.#filed = this.#file?.current() ?? [];
    if (options.hostNetworks) this.#host = new HostLabels(context);
    this.#build();
  }

  #build(): void {
    this.#trie = new SubnetTrie();
    this.#names = [''];
    // The first of equal networks counts. The file is the user's last word, and what a host knows
    // of itself says more than a label for all hosts.
    for (const { name, own, listed } of this.#all()) {
      // An empty name is a hole cut into a wider prefix: it labels nothing.
      const value = this.#names.push(name) - 1;
      for (const cidr of own) this.#trie.insert(cidr, value);
      for (const cidr of listed) this.#trie.insert(cidr, value);
    }
    this.#version++;
  }

  #all(): readonly Labelled[] {
    return [...this.#filed, ...(this.#host?.labels ?? []), ...this.#own];
  }

  /** Reads what has changed. Called before each batch. */
  look(): void {
    const nowMs = this.#context.deps.clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_PERIOD_MS) return;
    this.#lookedMs = nowMs;
    const before = this.#filed;
    this.#filed = this.#file?.current() ?? [];
    const renewed = [this.#filed !== before, this.#renewLists(), this.#host?.look() === true];
    if (renewed.includes(true)) this.#build();
  }

  #renewLists(): boolean {
    const { log } = this.#context.deps;
    let isNew = false;
    for (const label of this.#all()) {
      if (label.list?.hasChanged() !== true) continue;
      const fields = {
        ...{ component: 'pipeline', stage: this.#context.name },
        label: label.name,
      };
      try {
        label.listed = label.list.read();
        isNew = true;
        log.info(fields, 'the networks of a label were renewed');
      } catch (error) {
        log.warn({ ...fields, error: explain(error) }, 'the new networks cannot be used');
      }
    }
    return isNew;
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

/** Labels of this host's own networks, by its interfaces and routes. */
class HostLabels {
  readonly #context: Pick<StageContext, 'name' | 'deps'>;
  #text = '';
  #isGivenUp = false;
  labels: readonly Labelled[] = [];

  constructor(context: Pick<StageContext, 'name' | 'deps'>) {
    this.#context = context;
    this.look();
  }

  /** Whether the networks are others than before. */
  look(): boolean {
    if (this.#isGivenUp) return false;
    try {
      const labels = hostNetworks({
        interfaces: networkInterfaces(),
        routes: textOf('/proc/net/route'),
        routes6: textOf('/proc/net/ipv6_route'),
      });
      const text = JSON.stringify(labels);
      if (text === this.#text) return false;
      this.#text = text;
      this.labels = labelled(labels, 'hostNetworks');
      return true;
    } catch (error) {
      // The table of a router with all routes of the internet; it is not read again.
      this.#isGivenUp = true;
      const { log } = this.#context.deps;
      const fields = { component: 'pipeline', stage: this.#context.name, error: explain(error) };
      log.warn(fields, 'the networks of this host are not known, so flows do not name them');
      return false;
    }
  }
}

/** Empty: the kernel lacks that family. */
function textOf(path: string): string {
  try {
    return readSmallFile(path, 0).toString('latin1');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
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
