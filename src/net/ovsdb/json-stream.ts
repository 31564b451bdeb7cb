import { NetobservError } from '../../base/errors.ts';
import { OVSDB_ERRORS } from './errors.ts';

/**
 * The longest message: the first answer of a database holds all rows of the watched tables, some
 * 500 bytes each.
 */
export const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
/** Space, tab, line feed, carriage return. */
const BLANKS = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Cuts a stream into JSON objects. RFC 7047 §4 sends them without separators, so an object ends
 * where its first brace is closed.
 */
export class JsonStream {
  readonly #onObject: (value: unknown) => void;
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #heldBytes = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(onObject: (value: unknown) => void, bytesMax = MESSAGE_BYTES_MAX) {
    this.#onObject = onObject;
    this.#bytesMax = bytesMax;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      if (!this.#closes(chunk[at]!)) continue;
      this.#hold(chunk.subarray(start, at + 1));
      start = at + 1;
      this.#emit();
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
  }

  /** Whether an object ends with this byte. */
  #closes(byte: number): boolean {
    if (this.#escaped) {
      this.#escaped = false;
    } else if (this.#inString) {
      if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
    } else if (byte === OPEN) {
      this.#depth++;
    } else if (this.#depth === 0) {
      if (!BLANKS.has(byte)) throw malformed('a message does not begin with "{"');
    } else if (byte === QUOTE) {
      this.#inString = true;
    } else if (byte === CLOSE) {
      this.#depth--;
      return this.#depth === 0;
    }
    return false;
  }

  #hold(part: Buffer): void {
    this.#heldBytes += part.length;
    if (this.#heldBytes > this.#bytesMax) {
      throw malformed(`a message is longer than ${this.#bytesMax} bytes`);
    }
    this.#parts.push(part);
  }

  #emit(): void {
    const text = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#heldBytes = 0;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw malformed('a message is no JSON', cause);
    }
    this.#onObject(value);
  }
}

function malformed(what: string, cause?: unknown): NetobservError {
  return new NetobservError(OVSDB_ERRORS.message, what, { cause });
}
