import { closeSync, createReadStream, openSync } from 'node:fs';

const WORD = 2 ** 32;
/** Kernel addresses have all bits above these set, so the remaining bits fit a double. */
const HIGH_BITS = 0x1fffff;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const ADDRESS_DIGITS = 16;
const READ_BYTES = 1 << 18;
const SYMBOLS_FIRST = 1 << 16;
const NAME_BYTES_FIRST = 1 << 20;
/** A line of kallsyms: KSYM_NAME_LEN, plus an address, a letter and a module. */
const LINE_BYTES_MAX = 1024;

/** Functions are shorter: addresses farther from one are in code loaded after the file was read. */
const FUNCTION_BYTES_MAX = 1 << 18;

/** An address, given in two halves, in the form that symbol look-ups use. */
export function codeAddress(low: number, high: number): number {
  return low + (high & HIGH_BITS) * WORD;
}

/**
 * The functions of the running kernel by address, from /proc/kallsyms: sorted numbers and one run
 * of bytes, about 40 bytes per function. Functions of modules loaded later are unknown.
 *
 * Whether addresses are hidden is decided when the file is opened, so it can be read after
 * CAP_SYSLOG was given up.
 */
export class KernelSymbols {
  #file: number | undefined;
  #addresses = new Float64Array(0);
  #ends = new Uint32Array(0);
  #names = Buffer.alloc(0);
  #order = new Uint32Array(0);

  /** Opens the file; throws errors of the file system. */
  constructor(path = '/proc/kallsyms') {
    this.#file = openSync(path, 'r');
  }

  /** 0 before they are read, and when the kernel hides addresses. */
  get size(): number {
    return this.#order.length;
  }

  /** Runs once, outside the hot path: the file has some 100,000 lines. */
  async read(): Promise<void> {
    const fd = this.#file;
    if (fd === undefined) return;
    this.#file = undefined;
    const reader = new LineReader();
    // The stream closes the file, even after an error.
    for await (const part of createReadStream('', { fd, highWaterMark: READ_BYTES }))
      reader.take(part as Buffer);
    const { count, addresses, ends, names } = reader;
    this.#addresses = addresses.slice(0, count);
    this.#ends = ends.slice(0, count);
    this.#names = Buffer.from(names.subarray(0, ends[count - 1] ?? 0));
    this.#order = new Uint32Array(count);
    for (let symbol = 0; symbol < count; symbol++) this.#order[symbol] = symbol;
    // The kernel's own symbols are in order; those of modules are not.
    if (!reader.isSorted) this.#order.sort((a, b) => addresses[a]! - addresses[b]!);
  }

  /** Closes the file if it was never read. */
  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** The function that contains the address; undefined: unknown. */
  nameOf(address: number): string | undefined {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#addresses[this.#order[middle]!]! <= address) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const symbol = this.#order[low - 1]!;
    if (address - this.#addresses[symbol]! >= FUNCTION_BYTES_MAX) return undefined;
    return this.#names.toString('latin1', this.#ends[symbol - 1] ?? 0, this.#ends[symbol]);
  }
}

/** Extracts the functions from `ffffffff81000000 T _text` and `… t name	[module]`. */
class LineReader {
  count = 0;
  addresses = new Float64Array(SYMBOLS_FIRST);
  ends = new Uint32Array(SYMBOLS_FIRST);
  names = Buffer.alloc(NAME_BYTES_FIRST);
  isSorted = true;
  #used = 0;
  #last = 0;
  #rest = Buffer.alloc(0);

  take(part: Buffer): void {
    const bytes = this.#rest.length === 0 ? part : Buffer.concat([this.#rest, part]);
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#line(bytes, start, end);
      start = end + 1;
    }
    // An endless line does not belong to this file; it is cut so that it cannot grow without limit.
    this.#rest = Buffer.from(bytes.subarray(start, start + LINE_BYTES_MAX));
  }

  #line(bytes: Buffer, start: number, end: number): void {
    const type = bytes[start + ADDRESS_DIGITS + 1];
    // Functions: t, T, w, W.
    if (type !== 0x74 && type !== 0x54 && type !== 0x77 && type !== 0x57) return;
    const address = codeAddress(hex(bytes, start + 8), hex(bytes, start));
    if (address === 0) return;
    this.#reserve(end - start);
    const { names } = this;
    let used = this.#used;
    for (let at = start + ADDRESS_DIGITS + 3; at < end; at++) {
      const letter = bytes[at]!;
      if (letter === SPACE || letter === TAB) break;
      names[used++] = letter;
    }
    this.#used = used;
    if (address < this.#last) this.isSorted = false;
    this.#last = address;
    this.addresses[this.count] = address;
    this.ends[this.count] = this.#used;
    this.count++;
  }

  #reserve(nameBytes: number): void {
    if (this.count === this.addresses.length) {
      const addresses = new Float64Array(this.count * 2);
      addresses.set(this.addresses);
      this.addresses = addresses;
      const ends = new Uint32Array(this.count * 2);
      ends.set(this.ends);
      this.ends = ends;
    }
    if (this.#used + nameBytes <= this.names.length) return;
    this.names = Buffer.concat([this.names, Buffer.alloc(this.names.length)]);
  }
}

/** Eight digits, unsigned. */
function hex(bytes: Buffer, at: number): number {
  let value = 0;
  for (let index = at; index < at + 8; index++) {
    const digit = bytes[index]!;
    value = (value << 4) | (digit <= 0x39 ? digit - 0x30 : (digit | 0x20) - 0x57);
  }
  return value >>> 0;
}
