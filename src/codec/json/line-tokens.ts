import { type BatchLayout, EXTRAS } from '../../flow/batch.ts';

/** Most keys and items of lists in a line that are told apart. */
const TOKENS_MAX = 512;
/** Most keys that are remembered, and their octets. */
const KEYS_MAX = 512;
const KEY_BYTES_MAX = 64;
/** Numbers with no more digits are exact in every step. */
const DIGITS_MAX = 15;

export const TOKEN = { number: 0, text: 1, true: 2, false: 3, null: 4, list: 5 } as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const ZERO = 0x30;
const NINE = 0x39;
/** 0x20 is the first printable character, 0x7f the last one. */
const SPACE = 0x20;
const ASCII_MAX = 0x7f;
const HASH_PRIME = 0x01000193;

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** Places of keys without a column, of items of lists, and of what has no tokens. */
const ITEM = -1;
const IRREGULAR = -2;

const WORDS = [
  { bytes: Buffer.from('true'), type: TOKEN.true },
  { bytes: Buffer.from('false'), type: TOKEN.false },
  { bytes: Buffer.from('null'), type: TOKEN.null },
] as const;

/** A key that earlier lines have. */
interface Key {
  /** `"Name":`. */
  readonly bytes: Uint8Array;
  /** Its place in the layout, -1: it has none. */
  readonly index: number;
}

/**
 * The keys and values of a line of JSON, as numbers.
 *
 * Only regular lines have tokens: objects with numbers, lists, and texts of ASCII without escapes.
 * All other lines, wrong ones included, are left to `JSON.parse`.
 */
export class LineTokens {
  readonly types = new Uint8Array(TOKENS_MAX);
  /** Place of the key's column; -1 for an item of a list. */
  readonly indexes = new Int32Array(TOKENS_MAX);
  /** Octets of a text. */
  readonly from = new Uint32Array(TOKENS_MAX);
  readonly to = new Uint32Array(TOKENS_MAX);
  /** The number, the hash of a text, or the number of a list's items, which are the next tokens. */
  readonly values = new Float64Array(TOKENS_MAX);
  count = 0;
  readonly #layout: BatchLayout;
  /** Keys in the order of lines, which may leave out some of them. */
  readonly #known: Key[] = [];
  /** By place in the layout: the last line that has the key. */
  readonly #lines: Uint32Array;
  #line = 0;
  /** The known key that is looked for first. */
  #expected = 0;
  #at = 0;

  constructor(layout: BatchLayout) {
    this.#layout = layout;
    this.#lines = new Uint32Array(layout.columns.length);
  }

  /** False: the line is not regular. */
  read(bytes: Uint8Array): boolean {
    this.count = 0;
    this.#line = (this.#line + 1) >>> 0;
    this.#at = 0;
    if (this.#next(bytes) !== OPEN) return false;
    this.#at++;
    if (this.#next(bytes) === CLOSE) return this.#isEnd(bytes);
    this.#expected = 0;
    for (;;) {
      const index = this.#key(bytes);
      if (index === IRREGULAR || !this.#value(bytes, index)) return false;
      const byte = this.#next(bytes);
      if (byte === CLOSE) return this.#isEnd(bytes);
      if (byte !== COMMA) return false;
      this.#at++;
    }
  }

  /** The token behind a value. */
  after(token: number): number {
    return token + 1 + (this.types[token] === TOKEN.list ? this.values[token]! : 0);
  }

  /** The value of a token, as `JSON.parse` gives it. */
  valueAt(bytes: Uint8Array, token: number): unknown {
    switch (this.types[token]) {
      case TOKEN.number:
        return this.values[token];
      case TOKEN.text:
        return textOf(bytes, this.from[token]!, this.to[token]!);
      case TOKEN.list: {
        const items = { length: this.values[token]! };
        return Array.from(items, (_, item) => this.valueAt(bytes, token + 1 + item));
      }
      case TOKEN.null:
        return null;
      default:
        return this.types[token] === TOKEN.true;
    }
  }

  /** The next octet that is not white space; `#at` is its place. */
  #next(bytes: Uint8Array): number {
    const byte = bytes[this.#at]!;
    return byte > SPACE ? byte : this.#behindSpace(bytes);
  }

  #behindSpace(bytes: Uint8Array): number {
    while (isSpace(bytes[this.#at]!)) this.#at++;
    return bytes[this.#at]!;
  }

  #isEnd(bytes: Uint8Array): boolean {
    this.#at++;
    this.#next(bytes);
    return this.#at === bytes.length;
  }

  /** Reads a key and its colon; the place of its column. */
  #key(bytes: Uint8Array): number {
    if (this.#next(bytes) !== QUOTE) return IRREGULAR;
    const key = this.#knownKey(bytes);
    const index = key === undefined ? this.#otherKey(bytes) : key.index;
    if (index < 0) return index;
    // `JSON.parse` takes the last one of several.
    if (this.#lines[index] === this.#line) return IRREGULAR;
    this.#lines[index] = this.#line;
    return index;
  }

  #knownKey(bytes: Uint8Array): Key | undefined {
    const known = this.#known;
    let place = this.#expected;
    for (let tried = 0; tried < known.length; tried++, place++) {
      if (place >= known.length) place = 0;
      const key = known[place]!;
      if (!isAt(bytes, this.#at, key.bytes)) continue;
      this.#at += key.bytes.length;
      this.#expected = place + 1;
      return key;
    }
    return undefined;
  }

  #otherKey(bytes: Uint8Array): number {
    const start = this.#at;
    // The value, which comes next, overwrites it.
    if (!this.#text(bytes, this.count)) return IRREGULAR;
    const end = this.#at;
    if (this.#next(bytes) !== COLON) return IRREGULAR;
    this.#at++;
    const name = textOf(bytes, start + 1, end - 1);
    const index = this.#layout.indexOf(name);
    // Keys without a column are values of `EXTRAS`, if anybody reads that.
    if (name === EXTRAS || (index === -1 && this.#layout.has(EXTRAS))) return IRREGULAR;
    if (end - start <= KEY_BYTES_MAX && this.#known.length < KEYS_MAX) {
      const key = { bytes: Buffer.from(`"${name}":`), index };
      this.#known.splice(this.#expected++, 0, key);
    }
    return index;
  }

  #value(bytes: Uint8Array, index: number): boolean {
    if (this.#next(bytes) !== OPEN_LIST) return this.#scalar(bytes, index);
    const list = this.#push(TOKEN.list, index);
    if (list === IRREGULAR) return false;
    this.#at++;
    if (this.#next(bytes) === CLOSE_LIST) {
      this.#at++;
      this.values[list] = 0;
      return true;
    }
    for (let items = 1; ; items++) {
      this.#next(bytes);
      if (!this.#scalar(bytes, ITEM)) return false;
      const byte = this.#next(bytes);
      this.#at++;
      if (byte === CLOSE_LIST) {
        this.values[list] = items;
        return true;
      }
      if (byte !== COMMA) return false;
    }
  }

  /** Reads a value at `#at` that is neither an object nor a list. */
  #scalar(bytes: Uint8Array, index: number): boolean {
    const byte = bytes[this.#at]!;
    if (byte === QUOTE) {
      const token = this.#push(TOKEN.text, index);
      return token !== IRREGULAR && this.#text(bytes, token);
    }
    if ((byte >= ZERO && byte <= NINE) || byte === 0x2d) {
      const token = this.#push(TOKEN.number, index);
      return token !== IRREGULAR && this.#number(bytes, token);
    }
    for (const { bytes: word, type } of WORDS) {
      if (!isAt(bytes, this.#at, word)) continue;
      this.#at += word.length;
      return this.#push(type, index) !== IRREGULAR;
    }
    return false;
  }

  #push(type: number, index: number): number {
    if (this.count === TOKENS_MAX) return IRREGULAR;
    this.types[this.count] = type;
    this.indexes[this.count] = index;
    return this.count++;
  }

  /** Reads a text with its quotes. */
  #text(bytes: Uint8Array, token: number): boolean {
    let at = this.#at + 1;
    let hash = 0;
    for (;;) {
      const byte = bytes[at]!;
      if (byte === QUOTE) break;
      if (!(byte >= SPACE && byte <= ASCII_MAX) || byte === BACKSLASH) return false;
      hash = Math.imul(hash ^ byte, HASH_PRIME);
      at++;
    }
    this.from[token] = this.#at + 1;
    this.to[token] = at;
    this.values[token] = hash;
    this.#at = at + 1;
    return true;
  }

  #number(bytes: Uint8Array, token: number): boolean {
    const start = this.#at;
    let at = start;
    let value = 0;
    for (let byte = bytes[at]!; byte >= ZERO && byte <= NINE; byte = bytes[++at]!) {
      value = value * 10 + byte - ZERO;
    }
    const isPlain = !isNumeric(bytes[at]!) && at - start <= DIGITS_MAX;
    this.#at = at;
    this.values[token] = value;
    if (isPlain && (bytes[start] !== ZERO || at === start + 1)) return true;
    while (isNumeric(bytes[at]!)) at++;
    this.#at = at;
    const text = textOf(bytes, start, at);
    this.values[token] = Number(text);
    return NUMBER.test(text);
  }
}

function isAt(bytes: Uint8Array, at: number, piece: Uint8Array): boolean {
  for (let i = 0; i < piece.length; i++) if (bytes[at + i] !== piece[i]) return false;
  return true;
}

/** Octets of numbers: digits, `+-.eE`. */
function isNumeric(byte: number): boolean {
  if (byte >= ZERO && byte <= NINE) return true;
  return byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x45 || byte === 0x65;
}

/** RFC 8259, section 2. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** A text of ASCII. */
export function textOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}
