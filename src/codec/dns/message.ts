import type { Outcome } from '../outcome.ts';
import { NameWriter } from '../printable.ts';
import { AnswerChain } from './chain.ts';
import { CUT, NAME_BYTES_MAX, readName, skipName } from './name.ts';

/** Most addresses taken from one message; further ones are ignored. */
export const DNS_ANSWERS_MAX = 64;

/** Used in place of a code. */
export const CODE_UNKNOWN = -1;

const HEADER_BYTES = 12;
/** Type and class. */
const QUESTION_FIXED_BYTES = 4;
/** Type, class, time to live and length of data. */
const RECORD_FIXED_BYTES = 10;
const ADDRESS_BYTES = 16;
const OPCODE_SHIFT = 11;
const OPCODE_MASK = 0xf;
const OPCODE_QUERY = 0;
const CODE_MASK = 0xf;
const CODE_BITS = 4;

const TYPE_A = 1;
const TYPE_CNAME = 5;
const TYPE_AAAA = 28;
const TYPE_OPT = 41;
const CLASS_IN = 1;
/** The owner of the EDNS record (RFC 6891 §6.1.2). */
const ROOT = 0;
/** RFC 2181 §8: a value with the top bit set is to be treated as 0. */
const TTL_MAX_S = 0x7fffffff;

/**
 * The parts of a DNS message (RFC 1035) that flows report. Reading a message overwrites the
 * previous one, so that a stream of messages allocates only the names.
 */
export class DnsMessage {
  id = 0;
  flags = 0;
  /**
   * The response code, with the upper bits that EDNS keeps in its own record (RFC 6891 §6.1.3);
   * `CODE_UNKNOWN` when the message ends before that and has no answers; with answers there are no
   * such bits.
   */
  code = CODE_UNKNOWN;
  /** Name in the first question, without the dot at the end; empty when it could not be read. */
  name = '';
  /** Type in the first question; 0 when it could not be read. */
  queryType = 0;
  /** Bytes of the first question, including type and class; 0 when it could not be read. */
  questionBytes = 0;
  /** Number of answers with an address of the name or of its aliases. */
  addressCount = 0;
  /** 16 bytes each, IPv4 as ::ffff:a.b.c.d. */
  readonly addresses = new Uint8Array(DNS_ANSWERS_MAX * ADDRESS_BYTES);
  /** Shortest caching time, in seconds, among the answers that lead to an address. */
  ttlS = 0;
  readonly #writer = new NameWriter(NAME_BYTES_MAX, 'lower');
  readonly #chain = new AnswerChain();
  // Owner and data of each address, before it is known whether it belongs to the name.
  readonly #owners = new Int32Array(DNS_ANSWERS_MAX);
  readonly #data = new Int32Array(DNS_ANSWERS_MAX);
  #found = 0;

  /** Reads `bytes[start .. end]`. */
  read(bytes: Uint8Array, start: number, end: number): Outcome {
    this.id = 0;
    this.flags = 0;
    this.code = CODE_UNKNOWN;
    this.name = '';
    this.queryType = 0;
    this.questionBytes = 0;
    this.addressCount = 0;
    this.ttlS = TTL_MAX_S;
    this.#found = 0;
    if (end - start < HEADER_BYTES) return 'cut';
    this.id = u16(bytes, start);
    this.flags = u16(bytes, start + 2);
    const answers = u16(bytes, start + 6);
    const additionals = u16(bytes, start + 10);
    if (answers > 0 || additionals === 0) this.code = this.flags & CODE_MASK;
    this.#chain.begin(bytes, start, end);
    let at = this.#readQuestions(bytes, start, end);
    for (let i = 0; i < answers && at >= 0; i++) at = this.#readAnswer(bytes, at, end);
    // The records of an update (RFC 2136), for example, answer nothing.
    if (((this.flags >> OPCODE_SHIFT) & OPCODE_MASK) === OPCODE_QUERY) this.#takeAddresses(bytes);
    const authorities = u16(bytes, start + 8);
    for (let i = 0; i < authorities && at >= 0; i++) at = skipRecord(bytes, at, end);
    for (let i = 0; i < additionals && at >= 0; i++) at = this.#readAdditional(bytes, at, end);
    if (at < 0) return at === CUT ? 'cut' : 'malformed';
    if (this.code === CODE_UNKNOWN) this.code = this.flags & CODE_MASK;
    return 'whole';
  }

  /** Reads a question on its own: nothing precedes it that a pointer could mean. */
  readQuestion(bytes: Uint8Array, at: number, end: number): void {
    this.name = '';
    this.queryType = 0;
    this.questionBytes = 0;
    this.#chain.begin(bytes, at, end);
    this.#readQuestion(bytes, at, at, end);
  }

  #readQuestions(bytes: Uint8Array, start: number, end: number): number {
    const questions = u16(bytes, start + 4);
    let at = start + HEADER_BYTES;
    for (let i = 0; i < questions && at >= 0; i++) {
      at = i === 0 ? this.#readQuestion(bytes, start, at, end) : skipQuestion(bytes, at, end);
    }
    return at;
  }

  #readQuestion(bytes: Uint8Array, start: number, at: number, end: number): number {
    const writer = this.#writer;
    writer.clear();
    const next = readName(bytes, start, at, end, writer);
    if (next < 0) return next;
    this.name = writer.text();
    if (next + QUESTION_FIXED_BYTES > end) return CUT;
    this.queryType = u16(bytes, next);
    this.questionBytes = next + QUESTION_FIXED_BYTES - at;
    this.#chain.ask(at);
    return next + QUESTION_FIXED_BYTES;
  }

  #readAnswer(bytes: Uint8Array, at: number, end: number): number {
    const next = skipRecord(bytes, at, end);
    if (next < 0) return next;
    const fixed = skipName(bytes, at, end);
    const type = u16(bytes, fixed);
    const ttlS = u16(bytes, fixed + 4) * 0x10000 + u16(bytes, fixed + 6);
    const data = fixed + RECORD_FIXED_BYTES;
    // Includes the aliases on the way: when one of them changes, the address may change, too.
    this.ttlS = Math.min(this.ttlS, ttlS > TTL_MAX_S ? 0 : ttlS);
    if (u16(bytes, fixed + 2) !== CLASS_IN) return next;
    if (type === TYPE_CNAME) this.#chain.alias(at, data);
    const isAddress =
      (type === TYPE_A && next - data === 4) || (type === TYPE_AAAA && next - data === 16);
    if (isAddress && this.#found < DNS_ANSWERS_MAX) {
      this.#owners[this.#found] = at;
      // The sign marks an IPv4 address.
      this.#data[this.#found++] = type === TYPE_A ? ~data : data;
    }
    return next;
  }

  #takeAddresses(bytes: Uint8Array): void {
    this.#chain.close();
    for (let i = 0; i < this.#found; i++) {
      if (!this.#chain.has(this.#owners[i]!)) continue;
      const data = this.#data[i]!;
      if (data < 0) this.#addV4(bytes, ~data);
      else this.#addV6(bytes, data);
    }
  }

  #readAdditional(bytes: Uint8Array, at: number, end: number): number {
    const next = skipRecord(bytes, at, end);
    if (next < 0) return next;
    const fixed = skipName(bytes, at, end);
    if (u16(bytes, fixed) === TYPE_OPT && bytes[at] === ROOT) {
      this.code = (bytes[fixed + 4]! << CODE_BITS) | (this.flags & CODE_MASK);
    }
    return next;
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
  return next + QUESTION_FIXED_BYTES > end ? CUT : next + QUESTION_FIXED_BYTES;
}

/** Offset behind the record at `at`, or the reason for failure. */
function skipRecord(bytes: Uint8Array, at: number, end: number): number {
  const fixed = skipName(bytes, at, end);
  if (fixed < 0) return fixed;
  if (fixed + RECORD_FIXED_BYTES > end) return CUT;
  const next = fixed + RECORD_FIXED_BYTES + u16(bytes, fixed + 8);
  return next > end ? CUT : next;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
