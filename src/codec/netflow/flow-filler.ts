import type { BatchLayout, Column, FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { type ExporterSampling, rateOf } from '../exporters/flow-limit.ts';
import { ColumnFiller } from './columns-read.ts';
import { DATAGRAM_COLUMNS } from './elements-read.ts';
import type { TimeBase } from './numbers-read.ts';
import type { Pass, Plan } from './plan.ts';
import { type Records, RUN_RECORDS } from './records.ts';
import { gatherRates } from './sampling.ts';
import type { Domain } from './templates.ts';

/** Facts that all flows of a datagram share. */
export interface DatagramFacts {
  /** NETFLOW_V5, NETFLOW_V9 or IPFIX. */
  type: string;
  sequence: number;
  domainId: number;
  /** The exporter's address. */
  exporter: string;
  /** The configuration of its flows. */
  sampling: ExporterSampling | undefined;
  /** Wall clock at the arrival, epoch milliseconds. */
  receivedMs: number;
  /** By the header, epoch milliseconds. */
  exportMs: number;
  /** By the header, milliseconds; NaN: IPFIX has none. */
  uptimeMs: number;
}

const MS_PER_S = 1000;
const COUNTERS = ['Bytes', 'Packets'];

/** Appends the flows of data records to batches of one layout. */
export class FlowFiller {
  readonly #layout: BatchLayout;
  readonly #columns: ColumnFiller;
  readonly #rates = new Float64Array(RUN_RECORDS);
  readonly #constants = new Float64Array(RUN_RECORDS);
  readonly #time: TimeBase = { exportMs: 0, uptimesMs: new Float64Array(RUN_RECORDS) };
  readonly #corrects: boolean;
  readonly #at: Readonly<Record<string, number>>;

  /** `corrects`: bytes and packets are multiplied by the sampling rate. */
  constructor(layout: BatchLayout, corrects: boolean) {
    this.#layout = layout;
    this.#columns = new ColumnFiller(layout.columns.length);
    this.#corrects = corrects;
    const names = [...DATAGRAM_COLUMNS, ...COUNTERS];
    this.#at = Object.fromEntries(names.map((name) => [name, layout.indexOf(name)]));
  }

  /** Reports the values that did not fit the kind of their field, since the last call. */
  takeMisfits(report: (field: string, values: number) => void): void {
    const { misfits } = this.#columns;
    for (const [index, { name }] of this.#layout.columns.entries()) {
      if (misfits[index]! > 0) report(name, misfits[index]!);
    }
    misfits.fill(0);
  }

  /** Adds a flow for each record, and for biflows one of the other direction. */
  add(records: Records, plan: Plan, domain: Domain, facts: DatagramFacts, batch: FlowBatch): void {
    this.#addPass(records, plan.forward, domain, facts, batch);
    if (plan.reverse === undefined) return;
    records.keepCounted(plan.reverseCounters, plan.lengths.length);
    this.#addPass(records, plan.reverse, domain, facts, batch);
  }

  #addPass(
    records: Records,
    pass: Pass,
    domain: Domain,
    facts: DatagramFacts,
    batch: FlowBatch,
  ): void {
    const row = batch.length;
    this.#setTime(records, pass, domain, facts);
    for (const step of pass.steps) {
      const column = batch.columnAt(step.column);
      this.#columns.fill(records, step, column, row, batch.tables, this.#time);
    }
    this.#addRates(records, pass, domain, facts.sampling, batch, row);
    this.#addFacts(records.count, facts, batch, row);
    batch.length += records.count;
  }

  #setTime(records: Records, pass: Pass, domain: Domain, facts: DatagramFacts): void {
    const { exportMs, uptimeMs } = facts;
    const { uptimesMs } = this.#time;
    this.#time.exportMs = exportMs;
    const { systemInit } = pass;
    const all = Number.isNaN(uptimeMs) ? exportMs - domain.systemInitMs : uptimeMs;
    uptimesMs.fill(all, 0, records.count);
    if (systemInit === undefined) return;
    for (let i = 0; i < records.count; i++) {
      uptimesMs[i] = exportMs - records.number(systemInit, i);
    }
  }

  #addRates(
    records: Records,
    pass: Pass,
    domain: Domain,
    sampling: ExporterSampling | undefined,
    batch: FlowBatch,
    row: number,
  ): void {
    const into = this.#at.SamplingRate!;
    if (into === -1 && !this.#corrects) return;
    const rates = this.#rates;
    gatherRates(records, pass, domain.sampling, rates);
    const { count } = records;
    if (sampling !== undefined) {
      for (let i = 0; i < count; i++) rates[i] = rateOf(rates[i]!, sampling);
    }
    if (into !== -1) {
      for (let i = 0; i < count; i++) if (rates[i] === 0) rates[i] = Number.NaN;
      this.#put(batch, into, false, rates, count, row);
    }
    if (!this.#corrects) return;
    for (const name of COUNTERS) {
      if (this.#at[name] !== -1) multiply(batch.columnAt(this.#at[name]!), rates, count, row);
    }
  }

  #addFacts(count: number, facts: DatagramFacts, batch: FlowBatch, row: number): void {
    const { strings, addresses } = batch.tables;
    const { Type, SamplerAddress, SequenceNum, TimeReceived, ObservationDomainId } = this.#at;
    if (Type !== -1) this.#ids(batch.columnAt(Type!), strings.intern(facts.type), count, row);
    if (SamplerAddress !== -1) {
      const id = addresses.internText(facts.exporter);
      this.#ids(batch.columnAt(SamplerAddress!), id, count, row);
    }
    this.#same(SequenceNum!, facts.sequence, batch, count, row);
    const receivedS = Math.floor(facts.receivedMs / MS_PER_S);
    this.#same(TimeReceived!, receivedS, batch, count, row);
    if (facts.type !== 'NETFLOW_V5') {
      this.#same(ObservationDomainId!, facts.domainId, batch, count, row);
    }
  }

  #ids(column: Column, id: number, count: number, row: number): void {
    if (column.kind === 'str' || column.kind === 'addr') column.values.fill(id, row, row + count);
  }

  /** A number for all rows that have none of their own. */
  #same(index: number, value: number, batch: FlowBatch, count: number, row: number): void {
    if (index === -1) return;
    this.#constants.fill(value, 0, count);
    this.#put(batch, index, true, this.#constants, count, row);
  }

  #put(
    batch: FlowBatch,
    index: number,
    isFallback: boolean,
    values: Float64Array,
    count: number,
    row: number,
  ): void {
    const column = batch.columnAt(index);
    const how = { column: index, isFallback, max: Number.MAX_VALUE };
    if ('present' in column) this.#columns.put(values, count, how, column, row);
  }
}

function multiply(column: Column, rates: Float64Array, count: number, row: number): void {
  if (!('present' in column)) return;
  const { values, present } = column;
  for (let i = 0; i < count; i++) {
    if (!(rates[i]! > 1) || !hasBit(present, row + i)) continue;
    values[row + i] = Math.round(values[row + i]! * rates[i]!);
  }
}
