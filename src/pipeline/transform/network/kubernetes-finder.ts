import type { FlowBatch } from '../../../flow/batch.ts';
import { hasBit, setFirstBits } from '../../../flow/bits.ts';
import { NO_FACT, TimedMemo } from '../../../flow/timed-memo.ts';
import type { ClusterIndex } from '../../../kube/index/cluster-index.ts';
import type { NetworkIndex } from '../../../kube/index/needs.ts';
import { NodePortFinder, type PortFields } from './kubernetes-node-ports.ts';
import { type FinderFields, fillGaps, SecondaryFinder } from './kubernetes-secondary.ts';

/** The start of a flow, epoch milliseconds: it decides who had the address. */
export const TIME_FIELD = 'TimeFlowStartMs';

export interface FinderOptions {
  readonly rule: FinderFields & PortFields;
  readonly indexes: readonly NetworkIndex[];
  /** The column that gets the facts. */
  readonly held: string;
  /** The column that gets the facts by address alone; it may be the same. */
  readonly hosts: string;
}

/**
 * Finds the fact for each row: in secondary networks first, then by address, and by the port if
 * that is the address of a node.
 */
export class FactFinder {
  readonly reads: readonly string[];
  readonly #options: FinderOptions;
  readonly #index: ClusterIndex;
  readonly #memo = new TimedMemo();
  readonly #secondary: readonly SecondaryFinder[];
  readonly #nodePorts: NodePortFinder | undefined;
  #timesMs = new Float64Array(0);
  #primary = new Uint32Array(0);

  constructor(options: FinderOptions, index: ClusterIndex) {
    const { rule, indexes } = options;
    this.#options = options;
    this.#index = index;
    this.#secondary = indexes.map((one) => new SecondaryFinder(one, rule, index));
    this.#nodePorts = rule.portField === '' ? undefined : new NodePortFinder(rule, index);
    const others = this.#secondary.flatMap(({ reads }) => reads);
    this.reads = [rule.ipField, TIME_FIELD, ...others, ...(this.#nodePorts?.reads ?? [])];
  }

  apply(batch: FlowBatch): void {
    const { held, hosts } = this.#options;
    const { length } = batch;
    const facts = batch.u32(held);
    setFirstBits(batch.present(held), length);
    facts.fill(NO_FACT, 0, length);
    this.#byAddress(batch, facts);
    if (hosts !== held) {
      batch.u32(hosts).set(facts.subarray(0, length));
      setFirstBits(batch.present(hosts), length);
    }
    this.#nodePorts?.apply(batch, this.#timesMs, facts);
    count(batch.selection, length, facts, this.#index.hits);
  }

  #byAddress(batch: FlowBatch, facts: Uint32Array): void {
    const { ipField } = this.#options.rule;
    const { length, tables } = batch;
    if (!batch.has(ipField)) return;
    const addresses = batch.ids(ipField);
    const timesMs = this.#times(batch);
    for (const finder of this.#secondary) finder.fill(batch, addresses, timesMs, facts);
    if (this.#secondary.length === 0) {
      this.#memo.fill(length, addresses, timesMs, tables, this.#index, facts);
    } else {
      if (this.#primary.length < length) this.#primary = new Uint32Array(batch.capacity);
      this.#memo.fill(length, addresses, timesMs, tables, this.#index, this.#primary);
      fillGaps(length, facts, this.#primary);
    }
  }

  /** A flow without a time is taken for one that begins now. */
  #times(batch: FlowBatch): Float64Array {
    if (this.#timesMs.length < batch.capacity) this.#timesMs = new Float64Array(batch.capacity);
    const timesMs = this.#timesMs;
    if (!batch.has(TIME_FIELD)) return timesMs.fill(Number.POSITIVE_INFINITY);
    copyTimes(batch.length, batch.f64(TIME_FIELD), batch.present(TIME_FIELD), timesMs);
    return timesMs;
  }
}

function copyTimes(
  length: number,
  values: Float64Array,
  present: Uint32Array,
  into: Float64Array,
): void {
  for (let row = 0; row < length; row++) {
    into[row] = hasBit(present, row) ? values[row]! : Number.POSITIVE_INFINITY;
  }
}

function count(
  selection: Uint32Array | undefined,
  length: number,
  facts: Uint32Array,
  hits: Float64Array,
): void {
  // Hits of no fact are counted, too, and reported nowhere.
  if (selection === undefined) for (let row = 0; row < length; row++) hits[facts[row]!]!++;
  else for (const row of selection) hits[facts[row]!]!++;
}
