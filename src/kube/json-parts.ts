import { NetobservError } from '../base/errors.ts';
import { KUBE_ERRORS } from './errors.ts';

/** API servers store 1.5 MiB, which takes more bytes as JSON than in their protobuf. */
export const OBJECT_BYTES_MAX = 4 * 1024 * 1024;
/** Longest rest of a list, without its objects. */
const ENVELOPE_BYTES_MAX = 64 * 1024;

const LINE_FEED = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Takes the parts of a stream in order. */
export interface PartTaker {
  take(value: unknown): void;
  /** A part was longer than the bound, and is left out. */
  tooLarge(): void;
}

/** Bytes of one part, up to a bound; what is longer is not kept. */
class Part {
  readonly #bytesMax: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#bytesMax) this.#pieces = [];
    else this.#pieces.push(piece);
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** The text, or undefined if it was too long; begins anew. */
  end(): string | undefined {
    const isWhole = this.#bytes <= this.#bytesMax;
    const text = isWhole ? textOf(this.#pieces) : undefined;
    this.#pieces = [];
    this.#bytes = 0;
    return text;
  }
}

/** Most parts are one piece, and need no copy. */
function textOf(pieces: readonly Uint8Array[]): string {
  const [first] = pieces;
  if (first === undefined) return '';
  const { buffer, byteOffset, byteLength } = first;
  const whole =
    pieces.length === 1 ? Buffer.from(buffer, byteOffset, byteLength) : Buffer.concat(pieces);
  return whole.toString('utf8');
}

/** Cuts the answer of a watch: one JSON object per line. Throws `answer` for anything else. */
export class JsonLines {
  readonly #taker: PartTaker;
  readonly #line: Part;

  constructor(taker: PartTaker, bytesMax = OBJECT_BYTES_MAX) {
    this.#taker = taker;
    this.#line = new Part(bytesMax);
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      if (end === -1) break;
      this.#line.add(chunk.subarray(start, end));
      start = end + 1;
      const isEmpty = this.#line.isEmpty;
      const text = this.#line.end();
      if (text === undefined) this.#taker.tooLarge();
      else if (!isEmpty) this.#taker.take(parsed(text));
    }
    if (start < chunk.length) this.#line.add(chunk.subarray(start));
  }
}

/**
 * Cuts the answer of a list into its objects as it arrives, so that only one of them is in memory.
 * The items of a Kubernetes list are the only array in its top object.
 */
export class ListItems {
  readonly #taker: PartTaker;
  readonly #item: Part;
  readonly #envelope = new Part(ENVELOPE_BYTES_MAX);
  #depth = 0;
  #inItems = false;
  #inString = false;
  #escaped = false;

  constructor(taker: PartTaker, bytesMax = OBJECT_BYTES_MAX) {
    this.#taker = taker;
    this.#item = new Part(bytesMax);
  }

  push(chunk: Uint8Array): void {
    // Begin of the bytes that are not yet in a part.
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
        continue;
      }
      if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN || byte === OPEN_LIST) start = this.#opens(chunk, start, at);
      else if (byte === CLOSE || byte === CLOSE_LIST) start = this.#closes(chunk, start, at);
    }
    this.#keep(chunk.subarray(start));
  }

  /** The list without its items, once the answer is whole. Throws `answer` if it is not. */
  end(): unknown {
    const text = this.#envelope.end();
    if (text === undefined) throw strange('a list has too much besides its items');
    return parsed(text);
  }

  #opens(chunk: Uint8Array, start: number, at: number): number {
    this.#depth++;
    if (this.#depth === 2 && chunk[at] === OPEN_LIST) {
      this.#envelope.add(chunk.subarray(start, at + 1));
      this.#inItems = true;
      return at + 1;
    }
    // The separators before an item are dropped.
    return this.#inItems && this.#depth === 3 ? at : start;
  }

  #closes(chunk: Uint8Array, start: number, at: number): number {
    this.#depth--;
    if (!this.#inItems) return start;
    if (this.#depth === 1) {
      this.#inItems = false;
      return at;
    }
    if (this.#depth !== 2) return start;
    this.#item.add(chunk.subarray(start, at + 1));
    const text = this.#item.end();
    if (text === undefined) this.#taker.tooLarge();
    else this.#taker.take(parsed(text));
    return at + 1;
  }

  #keep(rest: Uint8Array): void {
    if (rest.length === 0) return;
    if (!this.#inItems) this.#envelope.add(rest);
    else if (this.#depth > 2) this.#item.add(rest);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw strange('it is not JSON', cause);
  }
}

function strange(what: string, cause?: unknown): NetobservError {
  return new NetobservError(KUBE_ERRORS.answer, `answer of the Kubernetes API: ${what}`, {
    cause,
    retryable: true,
  });
}
