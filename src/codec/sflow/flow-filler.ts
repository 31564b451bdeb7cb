import { formatAddress } from '../../base/ip.ts';
import { type BatchLayout, type Column, type FlowBatch, pushList } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { WHOLE_NUMBER_MAX } from '../../flow/field.ts';
import {
  DATAGRAM,
  DATAGRAM_NUMBERS,
  OTHER_COLUMNS,
  PACKET_NUMBERS,
  ROUTE_NUMBERS,
  SAMPLE,
  SAMPLE_NUMBERS,
  type Slots,
} from './columns.ts';
import { DST_WORDS, SRC_WORDS } from './packet.ts';
import { BGP_WORDS, type BoundedList, ROUTER_WORDS } from './route.ts';
import type { Sample } from './sample.ts';

const MS_PER_S = 1000;

/** Facts that all flows of a datagram share. */
export class DatagramFacts {
  readonly numbers = new Float64Array(DATAGRAM_NUMBERS.length);
  /** Address of the agent, in the form of the intern table. */
  readonly words = new Uint32Array(4);
  hasAddress = false;
  /** Address that the datagram came from, for agents that give none. */
  peer = '';

  /** The address of the agent, as text. */
  agentText(): string {
    const { buffer } = this.words;
    return this.hasAddress ? formatAddress(new Uint8Array(buffer)) : this.peer;
  }

  /** `receivedMs` is the wall clock: sFlow sends each sample at once, without its time. */
  set(sequence: number, subAgent: number, receivedMs: number): void {
    const { numbers } = this;
    const receivedS = Math.floor(receivedMs / MS_PER_S);
    numbers[DATAGRAM.SequenceNum] = sequence;
    numbers[DATAGRAM.ObservationDomainId] = subAgent;
    numbers[DATAGRAM.TimeReceived] = receivedS;
    numbers[DATAGRAM.TimeFlowStart] = receivedS;
    numbers[DATAGRAM.TimeFlowEnd] = receivedS;
    numbers[DATAGRAM.TimeFlowStartMs] = receivedMs;
    numbers[DATAGRAM.TimeFlowEndMs] = receivedMs;
  }
}

/** Columns of the layout that take numbers, with the places that these come from. */
interface Places {
  readonly slots: readonly number[];
  readonly columns: readonly number[];
  readonly most: readonly number[];
}

/** Appends the flows of samples to batches of one layout. */
export class FlowFiller {
  readonly #layout: BatchLayout;
  readonly #corrects: boolean;
  readonly #misfits: Uint32Array;
  readonly #datagram: Places;
  readonly #sample: Places;
  readonly #packet: Places;
  readonly #route: Places;
  readonly #at: Slots<(typeof OTHER_COLUMNS)[number]>;

  /** `corrects`: bytes and packets are multiplied by the sampling rate. */
  constructor(layout: BatchLayout, corrects: boolean) {
    this.#layout = layout;
    this.#corrects = corrects;
    this.#misfits = new Uint32Array(layout.columns.length);
    this.#datagram = placesOf(layout, DATAGRAM_NUMBERS);
    this.#sample = placesOf(layout, SAMPLE_NUMBERS);
    this.#packet = placesOf(layout, PACKET_NUMBERS);
    this.#route = placesOf(layout, ROUTE_NUMBERS);
    const places = OTHER_COLUMNS.map((name) => [name, layout.indexOf(name)]);
    this.#at = Object.fromEntries(places) as Slots<(typeof OTHER_COLUMNS)[number]>;
  }

  /** Reports the values that did not fit the kind of their field, since the last call. */
  takeMisfits(report: (field: string, values: number) => void): void {
    for (const [index, { name }] of this.#layout.columns.entries()) {
      if (this.#misfits[index]! > 0) report(name, this.#misfits[index]!);
    }
    this.#misfits.fill(0);
  }

  /** Adds the flow of a sample; the batch has room for it. */
  add(sample: Sample, facts: DatagramFacts, batch: FlowBatch): void {
    const { numbers, packet, route } = sample;
    const row = batch.length;
    if (this.#corrects) correct(numbers);
    this.#numbers(this.#datagram, facts.numbers, batch, row);
    this.#numbers(this.#sample, numbers, batch, row);
    this.#numbers(this.#packet, packet.numbers, batch, row);
    this.#numbers(this.#route, route.numbers, batch, row);
    this.#addresses(sample, facts, batch, row);
    this.#texts(sample, batch, row);
    const at = this.#at;
    if (packet.hasMacs) {
      this.#mac(at.SrcMac, packet.macs, 0, batch, row);
      this.#mac(at.DstMac, packet.macs, 2, batch, row);
    }
    this.#list(at.AsPath, route.asPath, batch, row);
    this.#list(at.BgpCommunities, route.communities, batch, row);
    batch.length++;
  }

  #numbers({ slots, columns, most }: Places, from: Float64Array, batch: FlowBatch, row: number) {
    for (let i = 0; i < slots.length; i++) {
      const value = from[slots[i]!]!;
      if (Number.isNaN(value)) continue;
      const index = columns[i]!;
      const column = batch.columnAt(index);
      if (value > most[i]! || !('present' in column)) {
        this.#misfits[index]!++;
        continue;
      }
      column.values[row] = value;
      setBit(column.present, row);
    }
  }

  #addresses(sample: Sample, facts: DatagramFacts, batch: FlowBatch, row: number): void {
    const { packet, route, dissector } = sample;
    const at = this.#at;
    if (facts.hasAddress) this.#address(at.SamplerAddress, facts.words, 0, batch, row);
    else if (at.SamplerAddress !== -1) {
      const id = batch.tables.addresses.internText(facts.peer);
      setId(batch.columnAt(at.SamplerAddress), row, id);
    }
    if (packet.hasAddresses) {
      this.#address(at.SrcAddr, packet.words, SRC_WORDS, batch, row);
      this.#address(at.DstAddr, packet.words, DST_WORDS, batch, row);
    }
    if (dissector.tunnel !== undefined) {
      this.#address(at.TunnelSrcAddr, dissector.outer.words, SRC_WORDS, batch, row);
      this.#address(at.TunnelDstAddr, dissector.outer.words, DST_WORDS, batch, row);
    }
    if (route.hasNextHop) this.#address(at.NextHop, route.words, ROUTER_WORDS, batch, row);
    if (route.hasBgpNextHop) this.#address(at.BgpNextHop, route.words, BGP_WORDS, batch, row);
  }

  #address(index: number, words: Uint32Array, at: number, batch: FlowBatch, row: number): void {
    if (index === -1) return;
    setId(batch.columnAt(index), row, batch.tables.addresses.internWords(words, at));
  }

  #mac(index: number, words: Uint32Array, at: number, batch: FlowBatch, row: number): void {
    if (index === -1) return;
    setId(batch.columnAt(index), row, batch.tables.macs.intern(words[at]!, words[at + 1]!));
  }

  #texts({ dissector }: Sample, batch: FlowBatch, row: number): void {
    const { Type, TunnelType } = this.#at;
    const { strings } = batch.tables;
    if (Type !== -1) setId(batch.columnAt(Type), row, strings.intern('SFLOW_5'));
    if (TunnelType === -1 || dissector.tunnel === undefined) return;
    setId(batch.columnAt(TunnelType), row, strings.intern(dissector.tunnel));
  }

  #list(index: number, { values, count, cut }: BoundedList, batch: FlowBatch, row: number): void {
    if (index === -1) return;
    const column = batch.columnAt(index);
    if (column.kind !== 'list<u32>') return;
    let end = column.offsets[row]!;
    for (let i = 0; i < count; i++) end = pushList(column, end, values[i]!);
    column.offsets[row + 1] = end;
    this.#misfits[index]! += cut;
  }
}

function placesOf(layout: BatchLayout, names: readonly string[]): Places {
  const wanted = names.flatMap((name, slot) => {
    const column = layout.indexOf(name);
    return column === -1 ? [] : [{ slot, column, kind: layout.columns[column]!.kind }];
  });
  const limits: Readonly<Record<string, number>> = WHOLE_NUMBER_MAX;
  return {
    slots: wanted.map(({ slot }) => slot),
    columns: wanted.map(({ column }) => column),
    most: wanted.map(({ kind }) => limits[kind] ?? Number.MAX_VALUE),
  };
}

/** A sample stands for as many packets as its rate says. */
function correct(numbers: Float64Array): void {
  const rate = numbers[SAMPLE.SamplingRate]!;
  if (!(rate > 1)) return;
  numbers[SAMPLE.Packets]! *= rate;
  numbers[SAMPLE.Bytes]! *= rate;
}

function setId(column: Column, row: number, id: number): void {
  if (column.kind === 'str' || column.kind === 'addr' || column.kind === 'mac') {
    column.values[row] = id;
  }
}
