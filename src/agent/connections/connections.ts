import { BATCH_CAPACITY_ROWS, type FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { FlowEnd, hasPorts, Initiator, Protocol, TcpFlag } from '../../flow/enums.ts';
import type { DrainBuffer, DrainFacts, DrainReason } from '../drain/buffer.ts';
import { flowKey, flowMetrics } from '../drain/layout.gen.ts';
import type { FeatureReader } from '../features/reader.ts';
import type { AgentMetrics } from '../metrics.ts';
import { ConnectionTable, FIRST_START, LAST_DRAIN, Seen, SLOT_WORDS, STATE } from './table.ts';

const { TCP, ICMP, 'IPv6-ICMP': ICMPV6 } = Protocol;
const { FIN, SYN, RST, SYN_ACK } = TcpFlag;
const { source: SOURCE, destination: DESTINATION } = Initiator;

const WORD = 2 ** 32;
const NS_PER_MS = 1e6;
const KEY_WORDS = flowKey.sizeBytes >> 2;
const BOTH_FIN = Seen.fin | (Seen.fin << 1);
const BOTH_OPENED = Seen.opened | (Seen.opened << 1);
const BOTH_SPOKE = Seen.spoke | (Seen.spoke << 1);
/** The place of a flow that belongs to no conversation, because it has no ports. */
export const NO_PLACE = -1;

/** Conversations remembered for each flow that the kernel holds; two flows make one. */
const CONNECTIONS_PER_FLOW = 0.5;
const CONNECTIONS_MIN = 1 << 12;
/** Each conversation takes 68 bytes. */
const CONNECTIONS_MAX = 1 << 18;

/** Flows whose slots, of 64 bytes and as many tags, fit in the L1 cache at the same time. */
const SEEK_ROWS = 512;

/** ICMP requests, and the replies to them; other messages belong to no conversation. */
const ASKING_V4 = maskOf([8, 13]);
const ANSWERING_V4 = maskOf([0, 14]);
const ECHO_REQUEST_V6 = 128;
const ECHO_REPLY_V6 = 129;

const ENDS: Readonly<Record<DrainReason, number>> = {
  '': FlowEnd.active,
  asked: FlowEnd.active,
  full: FlowEnd.full,
  closing: FlowEnd.shutdown,
};

export interface ConnectionsOptions {
  /** Flows that the kernel holds. */
  readonly flowsMax: number;
  /** A flow without packets for this long has ended; 0: flows do not end by being idle. */
  readonly idleMs: number;
  readonly metrics: AgentMetrics;
}

/** Finds out which end opened each flow's conversation, and why the flow's record was made. */
export class Connections implements FeatureReader {
  /** Place of each row of the current batch, for later readers. */
  readonly places = new Int32Array(BATCH_CAPACITY_ROWS);
  readonly table: ConnectionTable;
  /** Tag of each row; 0: it belongs to no conversation. */
  readonly #tags = new Uint32Array(BATCH_CAPACITY_ROWS);
  readonly #idleMs: number;
  readonly #metrics: AgentMetrics;
  #drain = 0;
  #forgotten = 0;

  constructor({ flowsMax, idleMs, metrics }: ConnectionsOptions) {
    const wanted = Math.max(CONNECTIONS_MIN, flowsMax * CONNECTIONS_PER_FLOW);
    this.table = new ConnectionTable(Math.min(CONNECTIONS_MAX, 2 ** Math.ceil(Math.log2(wanted))));
    this.#idleMs = idleMs;
    this.#metrics = metrics;
  }

  prepare(): void {
    this.#drain++;
  }

  decode(buffer: DrainBuffer, length: number, batch: FlowBatch, facts: DrainFacts): void {
    // Two passes, since a flow may precede the one that has the information about it.
    observe(length, buffer, this.table, this.#drain, this.#tags, this.places);
    if (batch.has('Initiator')) {
      const into = batch.u8('Initiator');
      initiators(length, buffer, this.table, this.places, into, batch.present('Initiator'));
    }
    if (batch.has('FlowEndReason')) {
      const into = batch.u8('FlowEndReason');
      const nowNs = (facts.nowMs - facts.bootOffsetMs) * NS_PER_MS;
      const idleNs = this.#idleMs === 0 ? 0 : nowNs - this.#idleMs * NS_PER_MS;
      endReasons(length, buffer, this.table, this.places, idleNs, ENDS[facts.reason], into);
      batch.markPresent('FlowEndReason');
    }
  }

  finish(): void {
    const { forgotten } = this.table;
    this.#metrics.connectionsForgotten.inc(forgotten - this.#forgotten);
    this.#forgotten = forgotten;
  }
}

function maskOf(types: readonly number[]): number {
  return types.reduce((mask, type) => mask | (1 << type), 0);
}

function isOver(state: number): boolean {
  return (state & Seen.reset) !== 0 || (state & BOTH_FIN) === BOTH_FIN;
}

/** First pass: collects what each flow of the buffer shows about its conversation. */
function observe(
  length: number,
  { keys, keys32, values16, values32, valueBytes }: DrainBuffer,
  table: ConnectionTable,
  drain: number,
  tags: Uint32Array,
  places: Int32Array,
): void {
  const { words, doubles } = table;
  tagConversations(length, keys, keys32, table, tags);
  for (let row = 0; row < length; row++) {
    if (row % SEEK_ROWS === 0) table.seek(tags, row, Math.min(SEEK_ROWS, length - row), places);
    const tag = tags[row]!;
    if (tag === 0) {
      places[row] = NO_PLACE;
      continue;
    }
    const protocol = keys[row * flowKey.sizeBytes + flowKey.protocol]!;
    const place = table.placeOf(keys32, row * KEY_WORDS, tag, places[row]!);
    places[row] = place;
    const slot = (place >> 1) * SLOT_WORDS;
    const base = row * valueBytes;
    if (protocol === TCP) {
      const flags = values16[(base + flowMetrics.tcpFlags) >> 1]!;
      let state = words[slot + STATE]!;
      // The same ports are in use again, after an end in an earlier drain.
      if ((flags & (SYN | SYN_ACK)) !== 0 && words[slot + LAST_DRAIN] !== drain && isOver(state)) {
        table.clear(place >> 1);
        state = 0;
      }
      words[slot + STATE] = stateAfter(state, flags, place & 1);
    } else {
      const at = (base + flowMetrics.startNs) >> 2;
      const startNs = values32[at]! + values32[at + 1]! * WORD;
      const state = words[slot + STATE]!;
      const firstNs = doubles[(slot + FIRST_START) >> 1]!;
      words[slot + STATE] = stateAtStart(state, place & 1, startNs, firstNs);
      if ((state & BOTH_SPOKE) === 0) doubles[(slot + FIRST_START) >> 1] = startNs;
    }
    words[slot + LAST_DRAIN] = drain;
  }
}

function tagConversations(
  length: number,
  keys: Uint8Array,
  keys32: Uint32Array,
  table: ConnectionTable,
  tags: Uint32Array,
): void {
  for (let row = 0; row < length; row++) {
    const protocol = keys[row * flowKey.sizeBytes + flowKey.protocol]!;
    tags[row] = hasPorts(protocol) ? table.tagOf(keys32, row * KEY_WORDS) : 0;
  }
}

function stateAfter(before: number, flags: number, upper: number): number {
  let state = before;
  // The sender of a SYN-ACK did not send the first SYN, even if it sends others.
  if ((flags & (SYN | SYN_ACK)) !== 0) {
    const opener = (flags & SYN_ACK) !== 0 ? upper ^ 1 : upper;
    state = (state & ~BOTH_OPENED) | (Seen.opened << opener);
  }
  if ((flags & FIN) !== 0) state |= Seen.fin << upper;
  if ((flags & RST) !== 0) state |= Seen.reset;
  return state;
}

/** Without a handshake: once both ends have spoken, the one that began earlier is the opener. */
function stateAtStart(state: number, upper: number, startNs: number, firstNs: number): number {
  const spoke = Seen.spoke << upper;
  if ((state & spoke) !== 0) return state;
  if ((state & BOTH_SPOKE) === 0 || startNs === firstNs) return state | spoke;
  return state | spoke | (Seen.opened << (startNs < firstNs ? upper : upper ^ 1));
}

function initiators(
  length: number,
  { keys }: DrainBuffer,
  { words }: ConnectionTable,
  places: Int32Array,
  into: Uint8Array,
  present: Uint32Array,
): void {
  for (let row = 0, key = 0; row < length; row++, key += flowKey.sizeBytes) {
    const place = places[row]!;
    let initiator = 0;
    if (place === NO_PLACE) {
      initiator = icmpInitiator(keys[key + flowKey.protocol]!, keys[key + flowKey.icmpType]!);
    } else {
      const opened = words[(place >> 1) * SLOT_WORDS + STATE]! & BOTH_OPENED;
      if (opened !== 0) initiator = opened === Seen.opened << (place & 1) ? SOURCE : DESTINATION;
    }
    if (initiator === 0) continue;
    into[row] = initiator;
    setBit(present, row);
  }
}

function icmpInitiator(protocol: number, type: number): number {
  if (protocol === ICMP && type < 32) {
    if ((ASKING_V4 & (1 << type)) !== 0) return SOURCE;
    return (ANSWERING_V4 & (1 << type)) !== 0 ? DESTINATION : 0;
  }
  if (protocol !== ICMPV6) return 0;
  if (type === ECHO_REQUEST_V6) return SOURCE;
  return type === ECHO_REPLY_V6 ? DESTINATION : 0;
}

/** `idleNs`: flows that ended before it are idle. */
function endReasons(
  length: number,
  { keys, values32, valueBytes }: DrainBuffer,
  { words }: ConnectionTable,
  places: Int32Array,
  idleNs: number,
  otherwise: number,
  into: Uint8Array,
): void {
  for (let row = 0, key = 0; row < length; row++, key += flowKey.sizeBytes) {
    const place = places[row]!;
    const isTcp = keys[key + flowKey.protocol] === TCP;
    if (place !== NO_PLACE && isTcp && isOver(words[(place >> 1) * SLOT_WORDS + STATE]!)) {
      into[row] = FlowEnd.ended;
      continue;
    }
    const at = (row * valueBytes + flowMetrics.endNs) >> 2;
    const endNs = values32[at]! + values32[at + 1]! * WORD;
    into[row] = otherwise === FlowEnd.active && endNs <= idleNs ? FlowEnd.idle : otherwise;
  }
}
