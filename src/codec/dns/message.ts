import type { Outcome } from '../outcome.ts';
import { NameWriter } from '../printable.ts';
import { CUT, NAME_BYTES_MAX, readName, skipName } from './name.ts';

/** Addresses that are taken from one message; further ones are left out. */
export const DNS_ANSWERS_MAX = 64;

const HEADER_BYTES = 12;
/** Type, class, time to live and length of data. */
const RECORD_FIXED_BYTES = 10;
const ADDRESS_BYTES = 16;

const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
/** RFC 2181 §8: a value with the top bit set is to be treated as 0. */
const TTL_MAX_S = 0x7fffffff;

/**
 * A DNS message (RFC 1035), as far as flows tell of it. Reading one overwrites the one before, so
 * that a stream of messages makes no garbage but the names.
 */
export class DnsMessage {
  id = 0;
  flags = 0;
  /** Of the first question, without the dot at the end; empty when it could not be read. */
  name = '';
  /** Of the first question; 0 when it could not be read. */
  queryType = 0;
  /** How many of the answers are addresses. */
  addressCount = 0;
  /** 16 bytes each, IPv4 as ::ffff:a.b.c.d. */
  readonly addresses = new Uint8Array(DNS_ANSWERS_MAX * ADDRESS_BYTES);
  /** The shortest time that an answer may be kept, of those that lead to an address; seconds. */
  ttlS = 0;
  readonly #writer = new NameWriter(NAME_BYTES_MAX, 'lower');

  /** Reads `bytes[start .. end]`. */
  read(bytes: Uint8Array, start: number, end: number): Outcome {
    this.id = 0;
    this.flags = 0;
    this.name = '';
    this.queryType = 0;
    this.addressCount = 0;
    this.ttlS = TTL_MAX_S;
    if (end - start < HEADER_BYTES) return 'cut';
    this.id = u16(bytes, start);
    this.flags = u16(bytes, start + 2);
    const questions = u16(bytes, start + 4);
    let at = start + HEADER_BYTES;
    for (let i = 0; i < questions; i++) {
      at = i === 0 ? this.#readQuestion(bytes, start, at, end) : skipQuestion(bytes, at, end);
      if (at < 0) return outcomeOf(at);
    }
    const answers = u16(bytes, start + 6);
    for (let i = 0; i < answers; i++) {
      at = this.#readAnswer(bytes, at, end);
      if (at < 0) return outcomeOf(at);
    }
    return 'whole';
  }

  #readQuestion(bytes: Uint8Array, start: number, at: number, end: number): number {
    const writer = this.#writer;
    writer.clear();
    const next = readName(bytes, start, at, end, writer);
    if (next < 0) return next;
    this.name = writer.text();
    if (next + 4 > end) return CUT;
    this.queryType = u16(bytes, next);
    return next + 4;
  }

  #readAnswer(bytes: Uint8Array, at: number, end: number): number {
    const fixed = skipName(bytes, at, end);
    if (fixed < 0) return fixed;
    if (fixed + RECORD_FIXED_BYTES > end) return CUT;
    const type = u16(bytes, fixed);
    const ttlS = u16(bytes, fixed + 4) * 0x10000 + u16(bytes, fixed + 6);
    const length = u16(bytes, fixed + 8);
    const data = fixed + RECORD_FIXED_BYTES;
    if (data + length > end) return CUT;
    // Also of the aliases on the way: when one of them changes, so may the address.
    this.ttlS = Math.min(this.ttlS, ttlS > TTL_MAX_S ? 0 : ttlS);
    if (u16(bytes, fixed + 2) === CLASS_IN && this.addressCount < DNS_ANSWERS_MAX) {
      if (type === TYPE_A && length === 4) this.#addV4(bytes, data);
      else if (type === TYPE_AAAA && length === ADDRESS_BYTES) this.#addV6(bytes, data);
    }
    return data + length;
  }

  #addV4(bytes: Uint8Array, data: number): void {
    const at = this.addressCount++ * ADDRESS_BYTES;
    this.addresses.fill(0, at, at + 10);
    this.addresses.fill(0xff, at + 10, at + 12);
    for (let i = 0; i < 4; i++) this.addresses[at + 12 + i] = bytes[data + i]!;
  }

  #addV6(bytes: Uint8Array, data: number): void {
    const at = this.addressCount++ * ADDRESS_BYTES;
    for (let i = 0; i < ADDRESS_BYTES; i++) this.addresses[at + i] = bytes[data + i]!;
  }
}

function skipQuestion(bytes: Uint8Array, at: number, end: number): number {
  const next = skipName(bytes, at, end);
  if (next < 0) return next;
  return next + 4 > end ? CUT : next + 4;
}

function outcomeOf(failure: number): Outcome {
  return failure === CUT ? 'cut' : 'malformed';
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
