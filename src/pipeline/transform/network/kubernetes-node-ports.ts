import { WordTable } from '../../../base/word-table.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import type { InternTables } from '../../../flow/intern.ts';
import { type FactSpans, NO_FACT, type TimedFacts, TimedMemo } from '../../../flow/timed-memo.ts';
import { type ClusterIndex, IS_NODE } from '../../../kube/index/cluster-index.ts';
import { nodePortKey } from '../../../kube/index/node-ports.ts';

/** Fields of the rule. */
export interface PortFields {
  readonly portField: string;
  readonly protocolField: string;
}

const PROTOCOL_SHIFT = 16;
const PORT_MASK = 0xffff;

/**
 * Finds services by their ports on nodes. Rows without the address of a node cost two look-ups, and
 * nothing while no service has such a port.
 */
export class NodePortFinder implements TimedFacts {
  readonly reads: readonly string[];
  readonly #fields: PortFields;
  readonly #index: ClusterIndex;
  readonly #memo = new TimedMemo();
  /** One word: protocol and port. There are only so many of them. */
  readonly #keys = new WordTable(1);
  readonly #words = new Uint32Array(1);
  /** What may end at a port of a service: rows, with the number and the time of each. */
  #rows = new Uint32Array(0);
  #numbers = new Uint32Array(0);
  #timesMs = new Float64Array(0);

  constructor(fields: PortFields, index: ClusterIndex) {
    this.#fields = fields;
    this.#index = index;
    this.reads = [fields.portField, fields.protocolField];
  }

  get version(): number {
    return this.#index.version;
  }

  get size(): number {
    return this.#keys.end;
  }

  find(number: number, _tables: InternTables, spans: FactSpans): void {
    const word = this.#keys.word(number, 0);
    this.#index.findKey(nodePortKey(word >>> PROTOCOL_SHIFT, word & PORT_MASK), spans);
  }

  /** Replaces the facts of rows that are about a node, and whose port leads to a service. */
  apply(batch: FlowBatch, timesMs: Float64Array, facts: Uint32Array): void {
    if (this.#index.nodePorts.isEmpty || this.reads.some((name) => !batch.has(name))) return;
    if (this.#rows.length < batch.capacity) {
      this.#rows = new Uint32Array(batch.capacity);
      this.#numbers = new Uint32Array(batch.capacity);
      this.#timesMs = new Float64Array(batch.capacity);
    }
    const count = this.#number(batch, facts);
    if (count === 0) return;
    const [rows, numbers, times] = [this.#rows, this.#numbers, this.#timesMs];
    for (let at = 0; at < count; at++) times[at] = timesMs[rows[at]!]!;
    this.#memo.fill(count, numbers, times, batch.tables, this, numbers);
    for (let at = 0; at < count; at++) {
      if (numbers[at] !== NO_FACT) facts[rows[at]!] = numbers[at]!;
    }
  }

  #number(batch: FlowBatch, facts: Uint32Array): number {
    const { portField, protocolField } = this.#fields;
    const ports = batch.u16(portField);
    const protocols = batch.u8(protocolField);
    const portPresent = batch.present(portField);
    const protocolPresent = batch.present(protocolField);
    const nodes = this.#index.nodeFacts;
    const { flags } = this.#index.nodePorts;
    let count = 0;
    for (let row = 0; row < batch.length; row++) {
      if (nodes[facts[row]!] !== IS_NODE || flags[ports[row]!] === 0) continue;
      if (!hasBit(portPresent, row) || !hasBit(protocolPresent, row)) continue;
      this.#words[0] = (protocols[row]! << PROTOCOL_SHIFT) | ports[row]!;
      this.#rows[count] = row;
      this.#numbers[count++] = this.#keys.put(this.#words, 0);
    }
    return count;
  }
}
