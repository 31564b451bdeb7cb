import { formatAddress } from '../../base/ip.ts';
import {
  type BatchLayout,
  type Column,
  type FlowBatch,
  type IdColumn,
  type ListColumn,
  pushList,
} from '../../flow/batch.ts';
import type { AgentId } from './agents.ts';
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
import { NumberColumns, Numbers } from './numbers.ts';
import { DST_WORDS, SRC_WORDS } from './packet.ts';
import { BGP_WORDS, type BoundedList, ROUTER_WORDS } from './route.ts';
import type { Sample } from './sample.ts';

const MS_PER_S = 1000;

/** Facts that all flows of a datagram share. */
export class DatagramFacts implements AgentId {
  readonly numbers = new Numbers(DATAGRAM_NUMBERS);
  /** Address of the agent, in the form of the intern table. */
  readonly words = new Uint32Array(4);
  hasAddress = false;
  /** Address that the datagram came from, for agents that give none. */
  peer = '';
  subAgent = 0;

  /** The address of the agent, as text. */
  agentText(): string {
    const { buffer } = this.words;
    return this.hasAddress ? formatAddress(new Uint8Array(buffer)) : this.peer;
  }

  /** `receivedMs` is the wall clock: sFlow sends each sample at once, without its time. */
  set(sequence: number, subAgent: number, receivedMs: number): void {
    const { numbers } = this;
    this.subAgent = subAgent;
    const receivedS = Math.floor(receivedMs / MS_PER_S);
    numbers.set(DATAGRAM.SequenceNum, sequence);
    numbers.set(DATAGRAM.ObservationDomainId, subAgent);
    numbers.set(DATAGRAM.TimeReceived, receivedS);
    numbers.set(DATAGRAM.TimeFlowStart, receivedS);
    numbers.set(DATAGRAM.TimeFlowEnd, receivedS);
    numbers.set(DATAGRAM.TimeFlowStartMs, receivedMs);
    numbers.set(DATAGRAM.TimeFlowEndMs, receivedMs);
  }
}

/** Appends the flows of samples to batches of one layout. */
export class FlowFiller {
  readonly #layout: BatchLayout;
  readonly #corrects: boolean;
  readonly #misfits: Uint32Array;
  readonly #datagram: NumberColumns;
  readonly #sample: NumberColumns;
  readonly #packet: NumberColumns;
  readonly #route: NumberColumns;
  readonly #at: Slots<(typeof OTHER_COLUMNS)[number]>;

  /** `corrects`: bytes and packets are multiplied by the sampling rate. */
  constructor(layout: BatchLayout, corrects: boolean) {
    this.#layout = layout;
    this.#corrects = corrects;
    this.#misfits = new Uint32Array(layout.columns.length);
    this.#datagram = new NumberColumns(layout, DATAGRAM_NUMBERS, this.#misfits);
    this.#sample = new NumberColumns(layout, SAMPLE_NUMBERS, this.#misfits);
    this.#packet = new NumberColumns(layout, PACKET_NUMBERS, this.#misfits);
    this.#route = new NumberColumns(layout, ROUTE_NUMBERS, this.#misfits);
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

  /** Adds the flow of a sample, without the facts of its datagram; the batch has room for it. */
  add(sample: Sample, batch: FlowBatch): void {
    const { numbers, packet, route } = sample;
    const row = batch.length;
    if (this.#corrects) correct(numbers);
    this.#sample.add(numbers, batch, row);
    this.#packet.add(packet.numbers, batch, row);
    this.#route.add(route.numbers, batch, row);
    this.#addresses(sample, batch, row);
    const at = this.#at;
    if (packet.hasMacs) {
      this.#mac(at.SrcMac, packet.macs, 0, batch, row);
      this.#mac(at.DstMac, packet.macs, 2, batch, row);
    }
    this.#list(at.AsPath, route.asPath, batch, row);
    this.#list(at.BgpCommunities, route.communities, batch, row);
    batch.length++;
  }

  /** Adds the facts of a datagram to its flows, which are the last ones, from a row on. */
  complete(facts: DatagramFacts, batch: FlowBatch, from: number): void {
    const { Type, SamplerAddress } = this.#at;
    const { addresses, strings } = batch.tables;
    const to = batch.length;
    this.#datagram.fill(facts.numbers, batch, from, to);
    if (Type !== -1) batch.ids('Type').fill(strings.intern('SFLOW_5'), from, to);
    if (SamplerAddress === -1) return;
    const { hasAddress, words, peer } = facts;
    const id = hasAddress ? addresses.internWords(words, 0) : addresses.internText(peer);
    batch.ids('SamplerAddress').fill(id, from, to);
  }

  #addresses({ packet, route, dissector }: Sample, batch: FlowBatch, row: number): void {
    const at = this.#at;
    if (packet.hasAddresses) {
      this.#address(at.SrcAddr, packet.words, SRC_WORDS, batch, row);
      this.#address(at.DstAddr, packet.words, DST_WORDS, batch, row);
    }
    if (dissector.tunnel !== undefined) {
      const id = batch.tables.strings.intern(dissector.tunnel);
      if (at.TunnelType !== -1) setId(batch.columnAt(at.TunnelType), row, id);
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

  #list(index: number, { values, count, cut }: BoundedList, batch: FlowBatch, row: number): void {
    if (index === -1) return;
    // Nobody reads a column that no flow has filled.
    if (count === 0 && batch.filledAt(index) === undefined) return;
    const column = batch.columnAt(index) as ListColumn;
    let end = column.offsets[row]!;
    for (let i = 0; i < count; i++) end = pushList(column, end, values[i]!);
    column.offsets[row + 1] = end;
    this.#misfits[index]! += cut;
  }
}

/** A sample stands for as many packets as its rate says. */
function correct(numbers: Numbers): void {
  if (!numbers.has(SAMPLE.SamplingRate)) return;
  const { values } = numbers;
  const rate = values[SAMPLE.SamplingRate]!;
  values[SAMPLE.Packets]! *= rate;
  values[SAMPLE.Bytes]! *= rate;
}

/** The kinds of these columns are those of the field table. */
function setId(column: Column, row: number, id: number): void {
  (column as IdColumn).values[row] = id;
}
