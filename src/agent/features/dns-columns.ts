import { CODE_UNKNOWN } from '../../codec/dns/message.ts';
import { type FlowBatch, type ListColumn, pushList } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { DNS_RESPONSE_CODES } from '../../flow/enums.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { dnsMetrics, dnsSeen, flowKey } from '../drain/layout.gen.ts';
import { fillWords } from './columns.ts';
import type { DnsAnswer, DnsAnswers } from './dns-answers.ts';

const { response: RESPONSE } = dnsSeen;

const WORD = 2 ** 32;
const NS_PER_US = 1000;
const US_PER_MS = 1000;

/** Operation and response code, which are numbers, in the word of flags. */
const CODES_MASK = 0x780f;
const RESPONSE_CODE_MASK = 0xf;
/** `netobserv-ebpf-agent`'s name of codes that it does not know. */
const UNNAMED_CODE = 'UnDefined';

const KEY_WORDS = flowKey.sizeBytes >> 2;

/** Counts of queries; 0 is left out. `at`: offset of the DNS structure in an entry, bytes. */
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

/**
 * The last response of each row. All fields come from the same message, if it arrived; without it,
 * at least the lower bits of the header's code are known. The error is shown even where there is
 * nothing else.
 */
export function decodeResponses(
  buffer: DrainBuffer,
  length: number,
  batch: FlowBatch,
  at: number,
  known: DnsAnswers,
): void {
  const { keys32, values, values16, valueBytes } = buffer;
  const columns = columnsOf(batch);
  let end = 0;
  for (let row = 0, base = at; row < length; row++, base += valueBytes) {
    const seen = values[base + dnsMetrics.seen]!;
    if (seen !== 0 && columns.errors !== undefined) {
      batch.u32('DnsErrno')[row] = values16[(base + dnsMetrics.error) >> 1]!;
      setBit(columns.errors, row);
    }
    if ((seen & RESPONSE) !== 0) {
      const id = values16[(base + dnsMetrics.id) >> 1]!;
      const flags = values16[(base + dnsMetrics.flags) >> 1]!;
      const answer = known.find(keys32, row * KEY_WORDS, id);
      fillHeader(batch, row, columns, id, flags, answer);
      if (answer !== undefined) end = fillAnswer(batch, row, columns, answer, end);
    }
    if (columns.lists !== undefined) columns.lists.offsets[row + 1] = end;
  }
}

interface Columns {
  readonly ids: Uint32Array | undefined;
  readonly flags: Uint32Array | undefined;
  readonly errors: Uint32Array | undefined;
  readonly codes: Uint32Array | undefined;
  readonly names: Uint32Array | undefined;
  readonly types: Uint32Array | undefined;
  readonly lists: ListColumn | undefined;
}

function columnsOf(batch: FlowBatch): Columns {
  const present = (name: string) => (batch.has(name) ? batch.present(name) : undefined);
  const ids = (name: string) => (batch.has(name) ? batch.ids(name) : undefined);
  return {
    ids: present('DnsId'),
    flags: present('DnsFlags'),
    errors: present('DnsErrno'),
    codes: ids('DnsFlagsResponseCode'),
    names: ids('DnsName'),
    types: ids('DnsQueryType'),
    lists: batch.has('DnsAnswers') ? batch.list('DnsAnswers') : undefined,
  };
}

function fillHeader(
  batch: FlowBatch,
  row: number,
  columns: Columns,
  id: number,
  flags: number,
  answer: DnsAnswer | undefined,
): void {
  const word = answer === undefined ? flags : (flags & ~CODES_MASK) | (answer.flags & CODES_MASK);
  const code = answer?.code ?? flags & RESPONSE_CODE_MASK;
  if (columns.ids !== undefined) {
    batch.u16('DnsId')[row] = id;
    setBit(columns.ids, row);
  }
  if (columns.flags !== undefined) {
    batch.u16('DnsFlags')[row] = word;
    setBit(columns.flags, row);
  }
  if (columns.codes !== undefined && code !== CODE_UNKNOWN) {
    const name = DNS_RESPONSE_CODES.nameOf(code) ?? UNNAMED_CODE;
    columns.codes[row] = batch.tables.strings.intern(name);
  }
}

function fillAnswer(
  { tables: { strings } }: FlowBatch,
  row: number,
  { names, types, lists }: Columns,
  { name, queryType, answers }: DnsAnswer,
  begin: number,
): number {
  let end = begin;
  if (names !== undefined && name !== '') names[row] = strings.intern(name);
  if (types !== undefined && queryType !== '') types[row] = strings.intern(queryType);
  if (lists !== undefined) {
    for (const text of answers) end = pushList(lists, end, strings.intern(text));
  }
  return end;
}

/** Microsecond resolution; 0 means that the flow had no known query. */
export function decodeLatency(
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
