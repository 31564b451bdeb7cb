import type { FlowBatch } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import type { InternTables } from '../../../flow/intern.ts';
import type { ConntrackOptions } from '../../options/extract/conntrack.ts';
import { gatherNumbers } from '../numbers.ts';
import { NO_CONNECTION } from './connection-table.ts';
import type { Connections } from './connections.ts';
import { hashText } from './fnv.ts';
import { KeyHasher } from './key-hasher.ts';
import type { ConntrackMetrics } from './metrics.ts';
import { FROM_A, FROM_B, SlotRows } from './outputs.ts';
import type { ConntrackPlan } from './plan.ts';

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const FIN = 0x01;
const SYN_ACK = 0x100;

/** The connection of each flow of a batch. */
export class Assignment {
  /** Flows that begin a connection: as it is reported, and with its sides swapped. */
  readonly straight = new SlotRows();
  readonly swapped = new SlotRows();
  /** Flows of connections that had begun before. */
  readonly known = new SlotRows();
  /** Slot of each row of the batch. */
  slotOfRow = new Uint32Array(0);
  readonly #options: ConntrackOptions['tcpFlags'];
  readonly #hasSides: boolean;
  readonly #connections: Connections;
  readonly #metrics: ConntrackMetrics;
  readonly #hasher: KeyHasher;
  /** Rows that may belong to a connection, with their flags; the hasher has their hashes. */
  #rows = new Uint32Array(0);
  #numbers = new Float64Array(0);
  #flagsOfRow = new Uint16Array(0);
  #count = 0;

  constructor(
    options: ConntrackOptions['tcpFlags'],
    plan: ConntrackPlan,
    connections: Connections,
    metrics: ConntrackMetrics,
  ) {
    this.#options = options;
    this.#hasSides = plan.hash.sides !== undefined;
    this.#connections = connections;
    this.#metrics = metrics;
    this.#hasher = new KeyHasher(plan.hash, (field, flows) => metrics.hashError(field, flows));
  }

  /** Finds the connection of each selected row, or adds it. */
  assign(batch: FlowBatch): void {
    this.#reserve(batch.capacity);
    this.#selectTracked(batch);
    this.#hasher.hash(batch, this.#rows, this.#count);
    this.#readFlags(batch);
    for (const flows of [this.straight, this.swapped, this.known]) flows.count = 0;
    const duplicates = batch.filled('Duplicate') && batch.u8('Duplicate');
    const { total } = this.#hasher;
    let duplicate = 0;
    let rejected = 0;
    for (let i = 0; i < this.#count; i++) {
      const row = this.#rows[i]!;
      const slot = this.#connections.table.find(total.high[i]!, total.low[i]!);
      this.slotOfRow[row] = slot;
      if (duplicates !== undefined && duplicates[row] !== 0 && isThere(batch, row)) duplicate++;
      else if (slot !== NO_CONNECTION) this.#add(this.known, row, slot, i);
      else if (!this.#begin(row, i)) rejected++;
    }
    this.#metrics.input('duplicate', duplicate);
    this.#metrics.input('rejected', rejected);
    this.#metrics.input('update', this.known.count);
    this.#metrics.input('newConnection', this.straight.count + this.swapped.count);
    if (this.swapped.count > 0) this.#metrics.flags('swapAB', this.swapped.count);
  }

  hasFin(row: number): boolean {
    return (this.#flagsOfRow[row]! & FIN) !== 0;
  }

  /** Sets the hashes of tracked flows that have no connection; `ids` are those of selected rows. */
  setOtherHashIds(
    ids: Uint32Array,
    selection: Uint32Array | undefined,
    { strings }: InternTables,
  ): void {
    const { total } = this.#hasher;
    let at = 0;
    for (let i = 0; i < this.#count; i++) {
      const row = this.#rows[i]!;
      // Both are ascending, and each tracked row is selected.
      if (selection === undefined) at = row;
      else while (selection[at] !== row) at++;
      if (this.slotOfRow[row] !== NO_CONNECTION) continue;
      ids[at] = strings.intern(hashText(total.high[i]!, total.low[i]!));
    }
  }

  #begin(row: number, i: number): boolean {
    const { total, a, b } = this.#hasher;
    const slot = this.#connections.add(total.high[i]!, total.low[i]!);
    if (slot === NO_CONNECTION) return false;
    this.slotOfRow[row] = slot;
    const isSwapped = this.#options.swapAB && (this.#flagsOfRow[row]! & SYN_ACK) !== 0;
    const side = isSwapped ? b : a;
    if (this.#hasSides) this.#connections.setSide(slot, side.high[i]!, side.low[i]!);
    this.#add(isSwapped ? this.swapped : this.straight, row, slot, i);
    return true;
  }

  #add(flows: SlotRows, row: number, slot: number, i: number): void {
    const { a } = this.#hasher;
    const isFromA = !this.#hasSides || this.#connections.isFromA(slot, a.high[i]!, a.low[i]!);
    flows.rows[flows.count] = row;
    flows.slots[flows.count] = slot;
    flows.directions[flows.count++] = isFromA ? FROM_A : FROM_B;
  }

  #reserve(capacity: number): void {
    if (this.#rows.length >= capacity) return;
    this.#rows = new Uint32Array(capacity);
    this.#numbers = new Float64Array(capacity);
    this.#flagsOfRow = new Uint16Array(capacity);
    this.slotOfRow = new Uint32Array(capacity);
    for (const flows of [this.straight, this.swapped, this.known]) flows.reserve(capacity);
  }

  /** Collects the rows of protocols that have connections. */
  #selectTracked(batch: FlowBatch): void {
    const { selection, selected } = batch;
    this.slotOfRow.fill(NO_CONNECTION, 0, batch.length);
    let count = 0;
    if (batch.filled('Proto') !== undefined) {
      const protocols = batch.u8('Proto');
      const present = batch.present('Proto');
      for (let i = 0; i < selected; i++) {
        const row = selection === undefined ? i : selection[i]!;
        const protocol = protocols[row]!;
        if (protocol !== TCP && protocol !== UDP && protocol !== SCTP) continue;
        if (hasBit(present, row)) this.#rows[count++] = row;
      }
    }
    this.#count = count;
    this.#metrics.input('discarded', selected - count);
  }

  #readFlags(batch: FlowBatch): void {
    const { fieldName, detectEndConnection, swapAB } = this.#options;
    if (!detectEndConnection && !swapAB) return;
    gatherNumbers(batch, fieldName, this.#rows, this.#count, this.#numbers);
    // NaN becomes 0.
    for (let i = 0; i < this.#count; i++) this.#flagsOfRow[this.#rows[i]!] = this.#numbers[i]!;
  }
}

function isThere(batch: FlowBatch, row: number): boolean {
  return hasBit(batch.present('Duplicate'), row);
}
