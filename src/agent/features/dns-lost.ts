import { NO_NUMBER, WordTable } from '../../base/word-table.ts';
import { DnsMessage } from '../../codec/dns/message.ts';
import { dnsTypeName } from '../../codec/dns/types.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { EtherType } from '../../flow/enums.ts';
import { MISSING } from '../../flow/intern.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { dnsMetrics, dnsQuery, flowKey, flowMetrics, sideEntries } from '../drain/layout.gen.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { mapsOf } from '../loader/side-tables.ts';

const QUERIES_MAPS = mapsOf('dns_queries');
/** Queries that one drain examines, of both maps; 370 bytes of kernel memory each. */
const QUERIES_MAX = QUERIES_MAPS.length * sideEntries.dnsQueries;

const KEY_WORDS = flowKey.sizeBytes >> 2;
const PROTOCOL_WORD = flowKey.protocol >> 2;
/** The bits between the protocol and the last byte identify the queries of a flow. */
const PROTOCOL_MASK = 0xff0000ff;
const QUERY_WORDS = dnsQuery.sizeBytes >> 2;
/** The length is in the lower half of its word. */
const LENGTH_MASK = 0xffff;

const WORD = 2 ** 32;
const NS_PER_MS = 1e6;

// ::ffff:0:0/96, as little-endian words.
const MAPPED_WORD = 0xffff0000;

/** The question of a query. */
interface Question {
  readonly name: string;
  readonly queryType: number;
}

/**
 * Queries that nobody answered, by flow. Each drain takes those that have waited too long out of
 * the kernel's map and counts each on its flow, if that flow is in the drain; the flow also gets
 * the name that was queried last. For the others a flow without packets is created, if the reader
 * of flows can distinguish it from flows with packets; otherwise they are counted as left over.
 */
export class LostQueries {
  readonly #native: Native;
  readonly #object: BpfObject;
  readonly #message = new DnsMessage();
  readonly #keys = new Uint8Array(new SharedArrayBuffer(QUERIES_MAX * flowKey.sizeBytes));
  readonly #keys32 = new Uint32Array(this.#keys.buffer);
  readonly #values = new Uint8Array(new SharedArrayBuffer(QUERIES_MAX * dnsQuery.sizeBytes));
  readonly #values32 = new Uint32Array(this.#values.buffer);
  readonly #flows = new WordTable(KEY_WORDS, QUERIES_MAX);
  // By the flow's number: how many were lost, and when the first of them was asked.
  readonly #counts = new Uint32Array(QUERIES_MAX + 1);
  readonly #times32 = new Uint32Array((QUERIES_MAX + 1) * 2);
  readonly #questions: Question[] = [];
  /** Questions of the rows with lost queries in the current buffer. */
  readonly #named = new Map<number, Question>();
  /** Flows that are not yet accounted for, and where the search for them continues. */
  #left = 0;
  #next = 0;

  constructor(native: Native, object: BpfObject) {
    this.#native = native;
    this.#object = object;
  }

  /**
   * Takes out queries sent before `deadlineMs` of the kernel's clock. The caller decides whether
   * they count: if some packets are unseen, the answer may be among them.
   */
  async purge(deadlineMs: number, counts: boolean): Promise<void> {
    let stale = 0;
    for (const map of QUERIES_MAPS) stale = await this.#takeStale(map, deadlineMs, stale);
    if (counts && stale > 0) this.#count(stale);
  }

  /** Appends to the first `from` queries; returns the new total. */
  async #takeStale(map: string, deadlineMs: number, from: number): Promise<number> {
    // The rest waits for the next drain.
    if (from === QUERIES_MAX) return from;
    const keys = this.#keys.subarray(from * flowKey.sizeBytes);
    const values = this.#values.subarray(from * dnsQuery.sizeBytes);
    const found = from + (await this.#native.readEntries(this.#object, map, keys, values));
    let stale = from;
    for (let i = from; i < found; i++) {
      const low = this.#values32[i * QUERY_WORDS]!;
      const high = this.#values32[i * QUERY_WORDS + 1]!;
      if ((low + high * WORD) / NS_PER_MS >= deadlineMs) continue;
      // Moves it to the front, over entries that are no longer needed.
      this.#keys32.copyWithin(stale * KEY_WORDS, i * KEY_WORDS, (i + 1) * KEY_WORDS);
      this.#values32.copyWithin(stale * QUERY_WORDS, i * QUERY_WORDS, (i + 1) * QUERY_WORDS);
      stale++;
    }
    if (stale === from) return stale;
    const gone = this.#keys.slice(from * flowKey.sizeBytes, stale * flowKey.sizeBytes);
    await this.#native.removeEntries(this.#object, map, gone);
    return stale;
  }

  /** Adds lost queries to the flows among these entries. */
  addTo({ keys32, values32, valueBytes }: DrainBuffer, length: number, dnsAt: number): void {
    this.#named.clear();
    if (this.#left === 0) return;
    const stride = valueBytes >> 2;
    for (let row = 0, at = (dnsAt + dnsMetrics.lost) >> 2; row < length; row++, at += stride) {
      const flow = this.#flows.find(keys32, row * KEY_WORDS);
      if (flow === NO_NUMBER || this.#counts[flow] === 0) continue;
      values32[at]! += this.#counts[flow]!;
      this.#settle(flow, row);
    }
  }

  /** Names the lost queries of the current rows; an answered name stays. */
  nameTo(batch: FlowBatch): void {
    const { strings } = batch.tables;
    const names = batch.has('DnsName') ? batch.ids('DnsName') : undefined;
    const types = batch.has('DnsQueryType') ? batch.ids('DnsQueryType') : undefined;
    for (const [row, { name, queryType }] of this.#named) {
      if (names === undefined || names[row] !== MISSING) continue;
      names[row] = strings.intern(name);
      if (types !== undefined && queryType !== 0) {
        types[row] = strings.intern(dnsTypeName(queryType));
      }
    }
  }

  /** How many queries belong to no flow; they are forgotten. */
  takeLeft(): number {
    let queries = 0;
    for (let flow = 0; this.#left > 0; flow++) {
      if (this.#counts[flow] === 0) continue;
      queries += this.#counts[flow]!;
      this.#settle(flow);
    }
    return queries;
  }

  /** Fills the buffer with flows created for the rest, and returns how many; 0: none remain. */
  makeFlows({ capacity, keys32, values32, valueBytes }: DrainBuffer, dnsAt: number): number {
    let length = 0;
    const stride = valueBytes >> 2;
    this.#named.clear();
    for (; this.#left > 0 && length < capacity; this.#next++) {
      const flow = this.#next;
      if (this.#counts[flow] === 0) continue;
      const key = length * KEY_WORDS;
      const value = length * stride;
      this.#flows.copyTo(flow, keys32, key);
      values32.fill(0, value, value + stride);
      for (const time of [flowMetrics.startNs, flowMetrics.endNs]) {
        values32[value + (time >> 2)] = this.#times32[flow * 2]!;
        values32[value + (time >> 2) + 1] = this.#times32[flow * 2 + 1]!;
      }
      // The upper half of its word; the lower half is unused in such a flow.
      values32[value + (flowMetrics.ethProtocol >> 2)] = etherType(keys32, key) << 16;
      values32[value + ((dnsAt + dnsMetrics.lost) >> 2)] = this.#counts[flow]!;
      this.#settle(flow, length);
      length++;
    }
    return length;
  }

  /** Marks the flow's queries as accounted for, in this row if one is given. */
  #settle(flow: number, row?: number): void {
    const question = this.#questions[flow]!;
    if (row !== undefined && question.name !== '') this.#named.set(row, question);
    this.#counts[flow] = 0;
    this.#left--;
  }

  #count(queries: number): void {
    this.#flows.clear();
    this.#questions.length = 0;
    this.#next = 0;
    for (let i = 0; i < queries; i++) {
      const at = i * KEY_WORDS;
      this.#keys32[at + PROTOCOL_WORD]! &= PROTOCOL_MASK;
      const known = this.#flows.size;
      const flow = this.#flows.put(this.#keys32, at);
      if (flow > known) {
        this.#counts[flow] = 0;
        this.#times32[flow * 2] = this.#values32[i * QUERY_WORDS]!;
        this.#times32[flow * 2 + 1] = this.#values32[i * QUERY_WORDS + 1]!;
      }
      this.#counts[flow]!++;
      this.#questions[flow] = this.#questionOf(i);
    }
    this.#left = this.#flows.size;
  }

  #questionOf(query: number): Question {
    const message = this.#message;
    const at = query * dnsQuery.sizeBytes;
    const length = this.#values32[(at + dnsQuery.length) >> 2]! & LENGTH_MASK;
    const from = at + dnsQuery.question;
    const to = Math.min(from + length, at + dnsQuery.sizeBytes);
    message.readQuestion(this.#values, from, to);
    return { name: message.name, queryType: message.queryType };
  }
}

function etherType(keys: Uint32Array, at: number): number {
  const isV4 =
    keys[at + PROTOCOL_WORD]! >>> 24 === 0 &&
    keys[at] === 0 &&
    keys[at + 1] === 0 &&
    keys[at + 2] === MAPPED_WORD;
  return isV4 ? EtherType.IPv4 : EtherType.IPv6;
}
