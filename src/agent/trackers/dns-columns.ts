import { type FlowBatch, pushList } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { DNS_RESPONSE_CODES } from '../../flow/enums.ts';
import type { AgingMap } from '../drain/aging-map.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { dnsMetrics, dnsSeen, flowKey } from '../drain/layout.gen.ts';
import { fillWords } from './columns.ts';

/** What the last response of a flow said. */
export interface DnsAnswer {
  readonly name: string;
  /** Empty when the message ended before it. */
  readonly queryType: string;
  readonly answers: readonly string[];
}

const { response: RESPONSE } = dnsSeen;

const WORD = 2 ** 32;
const NS_PER_US = 1000;
const US_PER_MS = 1000;

const RESPONSE_CODE_MASK = 0xf;
/** The original's name of codes that it has no name for. */
const UNNAMED_CODE = 'UnDefined';

const KEY_WORDS = flowKey.sizeBytes >> 2;
const PROTOCOL_WORD = flowKey.protocol >> 2;

/** Counts of queries; 0 is not told. `at`: offset of the DNS structure in an entry, bytes. */
export function decodeCounts(
  buffer: DrainBuffer,
  length: number,
  batch: FlowBatch,
  at: number,
): void {
  fillWords(buffer, length, batch, 'DnsQueries', at + dnsMetrics.queries);
  fillWords(buffer, length, batch, 'DnsRepeatedQueries', at + dnsMetrics.repeated);
  fillWords(buffer, length, batch, 'DnsLostQueries', at + dnsMetrics.lost);
}

/** What headers say, in rows with responses; the error also where there is nothing else. */
export function decodeHeaders(
  buffer: DrainBuffer,
  length: number,
  batch: FlowBatch,
  at: number,
): void {
  const { values, values16, valueBytes } = buffer;
  const present = (name: string) => (batch.has(name) ? batch.present(name) : undefined);
  const ids = present('DnsId');
  const flags = present('DnsFlags');
  const errors = present('DnsErrno');
  const codes = batch.has('DnsFlagsResponseCode') ? batch.ids('DnsFlagsResponseCode') : undefined;
  for (let row = 0, base = at; row < length; row++, base += valueBytes) {
    const seen = values[base + dnsMetrics.seen]!;
    if (seen === 0) continue;
    if (errors !== undefined) {
      batch.u32('DnsErrno')[row] = values16[(base + dnsMetrics.error) >> 1]!;
      setBit(errors, row);
    }
    if ((seen & RESPONSE) === 0) continue;
    const word = values16[(base + dnsMetrics.flags) >> 1]!;
    if (ids !== undefined) {
      batch.u16('DnsId')[row] = values16[(base + dnsMetrics.id) >> 1]!;
      setBit(ids, row);
    }
    if (flags !== undefined) {
      batch.u16('DnsFlags')[row] = word;
      setBit(flags, row);
    }
    if (codes !== undefined) {
      const name = DNS_RESPONSE_CODES.nameOf(word & RESPONSE_CODE_MASK) ?? UNNAMED_CODE;
      codes[row] = batch.tables.strings.intern(name);
    }
  }
  if (batch.has('DnsLatencyMs')) decodeLatency(buffer, length, batch, at);
}

/** To the microsecond; 0 is what flows have of which no query was known. */
function decodeLatency(
  { values32, valueBytes }: DrainBuffer,
  length: number,
  batch: FlowBatch,
  at: number,
): void {
  const into = batch.f64('DnsLatencyMs');
  const present = batch.present('DnsLatencyMs');
  const stride = valueBytes >> 2;
  for (let row = 0, from = (at + dnsMetrics.latencyNs) >> 2; row < length; row++, from += stride) {
    const ns = values32[from]! + values32[from + 1]! * WORD;
    if (ns === 0) continue;
    into[row] = Math.round(ns / NS_PER_US) / US_PER_MS;
    setBit(present, row);
  }
}

/** What messages say, where the one of the row's last response has come. */
export function decodeAnswers(
  { keys32, values, values16, valueBytes }: DrainBuffer,
  length: number,
  batch: FlowBatch,
  at: number,
  known: AgingMap<DnsAnswer>,
): void {
  const { strings } = batch.tables;
  const names = batch.has('DnsName') ? batch.ids('DnsName') : undefined;
  const types = batch.has('DnsQueryType') ? batch.ids('DnsQueryType') : undefined;
  const lists = batch.has('DnsAnswers') ? batch.list('DnsAnswers') : undefined;
  const key = new Uint32Array(KEY_WORDS);
  let end = 0;
  for (let row = 0, base = at; row < length; row++, base += valueBytes) {
    if ((values[base + dnsMetrics.seen]! & RESPONSE) !== 0) {
      queryKey(keys32, row * KEY_WORDS, values16[(base + dnsMetrics.id) >> 1]!, key);
      const answer = known.find(key, 0);
      if (answer !== undefined) {
        if (names !== undefined) names[row] = strings.intern(answer.name);
        if (types !== undefined && answer.queryType !== '') {
          types[row] = strings.intern(answer.queryType);
        }
        if (lists !== undefined) {
          for (const text of answer.answers) end = pushList(lists, end, strings.intern(text));
        }
      }
    }
    if (lists !== undefined) lists.offsets[row + 1] = end;
  }
}

/** As set_id() of bpf/dns.h: the id's high byte behind the protocol, then the low one. */
function queryKey(keys: Uint32Array, at: number, id: number, into: Uint32Array): void {
  for (let i = 0; i < PROTOCOL_WORD; i++) into[i] = keys[at + i]!;
  into[PROTOCOL_WORD] =
    (keys[at + PROTOCOL_WORD]! & 0xff0000ff) | (id & 0xff00) | ((id & 0xff) << 16);
}
