import type { FlowLimit } from '../exporters/flow-limit.ts';
import { VARIABLE_LENGTH } from './ipfix-elements.ts';
import type { Place, Plan } from './plan.ts';

/** Records that are read together: few enough that their values stay in the cache. */
export const RUN_RECORDS = 512;
/** The same for records of variable length, for each of which the places of all fields are kept. */
const VARIABLE_RUN_RECORDS = 64;

/** Most fields of a template. */
export const TEMPLATE_FIELDS_MAX = 512;

/** Length octet that announces a length of two octets (RFC 7011, section 7). */
const LONG = 255;

const WORD = 2 ** 32;

/**
 * Some records of a data set: where they are, or where each of their fields is. The columns are
 * filled one after the other, each from all of these records.
 */
export class Records {
  bytes: Uint8Array = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);
  count = 0;
  isVariable = false;
  /** The set contradicts itself behind these records. */
  isTruncated = false;
  /** By record or, if their length is variable, by field and record. */
  #starts = new Uint32Array(RUN_RECORDS);
  #lengths = new Uint16Array(RUN_RECORDS);

  open(bytes: Uint8Array): void {
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Finds up to `most` records in `[at, end)`; returns where the next one would be. */
  find(plan: Plan, at: number, end: number, most: number): number {
    this.isVariable = plan.isVariable;
    this.isTruncated = false;
    if (plan.isVariable) return this.#walk(plan, at, end, Math.min(most, VARIABLE_RUN_RECORDS));
    const { recordBytes } = plan;
    const there = Math.floor((end - at) / recordBytes);
    this.count = Math.min(there, most, RUN_RECORDS);
    for (let i = 0; i < this.count; i++) this.#starts[i] = at + i * recordBytes;
    return at + this.count * recordBytes;
  }

  #walk({ lengths, recordBytes }: Plan, start: number, end: number, most: number): number {
    const { bytes } = this;
    this.#makeRoom(lengths.length * VARIABLE_RUN_RECORDS);
    let at = start;
    this.count = 0;
    while (this.count < most && end - at >= recordBytes) {
      let next = at;
      for (let field = 0; field < lengths.length; field++) {
        let length = lengths[field]!;
        if (length === VARIABLE_LENGTH) {
          // Zero behind the end, which the check below finds.
          length = next < end ? bytes[next]! : 0;
          next++;
          if (length === LONG && next + 2 <= end) {
            length = (bytes[next]! << 8) | bytes[next + 1]!;
            next += 2;
          }
        }
        const slot = field * VARIABLE_RUN_RECORDS + this.count;
        this.#starts[slot] = next;
        this.#lengths[slot] = length;
        next += length;
      }
      if (next > end) {
        this.isTruncated = true;
        return end;
      }
      at = next;
      this.count++;
    }
    return at;
  }

  #makeRoom(slots: number): void {
    if (slots <= this.#starts.length) return;
    this.#starts = new Uint32Array(slots);
    this.#lengths = new Uint16Array(slots);
  }

  /** Keeps the records whose places have a number other than zero in one of these. */
  keepCounted(counters: readonly Place[], fields: number): void {
    if (counters.length === 0) return;
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.#isCounted(counters, i)) this.#move(i, kept++, fields);
    }
    this.count = kept;
  }

  /** Keeps those that pass. */
  thin(limit: FlowLimit, fields: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (limit.passes()) this.#move(i, kept++, fields);
    }
    this.count = kept;
  }

  #isCounted(counters: readonly Place[], record: number): boolean {
    for (const place of counters) if (this.number(place, record) > 0) return true;
    return false;
  }

  #move(from: number, to: number, fields: number): void {
    const slots = this.isVariable ? fields : 1;
    for (let field = 0; field < slots; field++) {
      const base = field * VARIABLE_RUN_RECORDS;
      this.#starts[base + to] = this.#starts[base + from]!;
      this.#lengths[base + to] = this.#lengths[base + from]!;
    }
  }

  /** First octet of a field of a record. */
  start({ at }: Place, record: number): number {
    if (this.isVariable) return this.#starts[at * VARIABLE_RUN_RECORDS + record]!;
    return this.#starts[record]! + at;
  }

  /** Octets of a field of a record. */
  length({ at, length }: Place, record: number): number {
    return length === VARIABLE_LENGTH ? this.#lengths[at * VARIABLE_RUN_RECORDS + record]! : length;
  }

  /** A big-endian number of up to eight octets; NaN for other lengths. */
  number(place: Place, record: number): number {
    return numberAt(this.bytes, this.start(place, record), this.length(place, record));
  }

  /**
   * The starts of a field in all records: `starts[base + record] + offset`. For loops over fields
   * of fixed length.
   */
  starts(): Uint32Array {
    return this.#starts;
  }

  base({ at }: Place): number {
    return this.isVariable ? at * VARIABLE_RUN_RECORDS : 0;
  }

  offset({ at }: Place): number {
    return this.isVariable ? 0 : at;
  }
}

/** A big-endian number of one to eight octets, exact to 2^53; NaN for other lengths. */
export function numberAt(bytes: Uint8Array, at: number, length: number): number {
  if (length === 0 || length > 8) return Number.NaN;
  const tail = Math.max(length - 4, 0);
  let high = 0;
  for (let i = 0; i < tail; i++) high = ((high << 8) | bytes[at + i]!) >>> 0;
  let low = 0;
  for (let i = tail; i < length; i++) low = ((low << 8) | bytes[at + i]!) >>> 0;
  return high * WORD + low;
}
