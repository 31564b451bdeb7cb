import type { FlowBatch, IdColumn, U8Column } from '../../../flow/batch.ts';
import { setBit } from '../../../flow/bits.ts';
import type { InternTables } from '../../../flow/intern.ts';
import type { Inlet } from '../../graph/inlet.ts';
import type { RecordType } from '../../options/extract/conntrack.ts';
import { grown } from './connection-table.ts';
import type { Connections } from './connections.ts';
import { hashText } from './fnv.ts';
import type { ConntrackPlan } from './plan.ts';

/** Makes records of connections. */
export class ConnectionRecords {
  readonly #plan: ConntrackPlan;
  readonly #connections: Connections;
  /** Ids of the texts of the connections' hashes in `#tables`; 0: not known. */
  #ids = new Uint32Array(0);
  #tables: InternTables | undefined;

  constructor(plan: ConntrackPlan, connections: Connections) {
    this.#plan = plan;
    this.#connections = connections;
  }

  reserve(): void {
    this.#ids = grown(this.#ids, this.#connections.table.capacity);
  }

  /** The slot has another connection. */
  clear(slot: number): void {
    this.#ids[slot] = 0;
  }

  /** Emits a record for each of `slots[0 .. count]`. */
  emit(inlet: Inlet, type: RecordType, slots: Uint32Array, count: number): void {
    for (let from = 0; from < count; ) {
      const batch = inlet.take();
      const rows = Math.min(batch.capacity, count - from);
      batch.length = rows;
      this.#fill(batch, type, slots, from, rows);
      inlet.emit(batch);
      from += rows;
    }
  }

  /** Id of the text of a connection's hash, which is made once for each generation of tables. */
  hashId(slot: number, tables: InternTables): number {
    if (this.#tables !== tables) {
      this.#tables = tables;
      this.#ids.fill(0);
    }
    const known = this.#ids[slot]!;
    if (known !== 0) return known;
    const { table } = this.#connections;
    const id = tables.strings.intern(hashText(table.high(slot), table.low(slot)));
    this.#ids[slot] = id;
    return id;
  }

  #fill(batch: FlowBatch, type: RecordType, slots: Uint32Array, from: number, count: number): void {
    const { keys, outputs } = this.#plan;
    for (const output of outputs) output.write(batch, slots, from, count);
    for (const { name, values } of keys) {
      if (batch.has(name)) values.write(batch, name, slots, from, count);
    }
    setType(batch, type, count);
    const first = batch.has('_IsFirst') ? (batch.column('_IsFirst') as U8Column) : undefined;
    for (let i = 0; i < count; i++) {
      const isFirst = this.#connections.report(slots[from + i]!);
      if (first === undefined) continue;
      first.values[i] = isFirst ? 1 : 0;
      setBit(first.present, i);
    }
    if (!batch.has('_HashId')) return;
    const { values } = batch.column('_HashId') as IdColumn;
    for (let i = 0; i < count; i++) values[i] = this.hashId(slots[from + i]!, batch.tables);
  }
}

/** Sets the kind of the first `count` rows. */
export function setType(batch: FlowBatch, type: RecordType, count: number): void {
  if (!batch.has('_RecordType')) return;
  batch.ids('_RecordType').fill(batch.tables.strings.intern(type), 0, count);
}
