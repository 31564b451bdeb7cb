import { ANSWER } from './schema.ts';

const WIRE_TYPE = 7;
const VARINT = 0;
const BYTES = 2;
/** Bytes of the longest varint. */
const VARINT_BYTES_MAX = 10;

/**
 * Entries that the receiver refused, by an `ExportLogsServiceResponse` or the one for traces. 0 for
 * an answer that says nothing about it, or that is cut.
 */
export function refusedEntries(answer: Uint8Array): number {
  const reader = new Reader(answer, 0, answer.length);
  for (let tag = reader.uint(); tag !== undefined; tag = reader.uint()) {
    if (tag === ANSWER.partialSuccess) {
      const length = reader.uint();
      return length === undefined ? 0 : refusedIn(reader.part(length));
    }
    if (!reader.skip(tag & WIRE_TYPE)) return 0;
  }
  return 0;
}

function refusedIn(reader: Reader): number {
  for (let tag = reader.uint(); tag !== undefined; tag = reader.uint()) {
    if (tag === ANSWER.rejected) return Math.max(0, reader.uint() ?? 0);
    if (!reader.skip(tag & WIRE_TYPE)) return 0;
  }
  return 0;
}

/** Reads protobuf up to an end that is at most that of the bytes. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = Math.min(end, bytes.length);
  }

  /** A varint; undefined at the end, or if it is cut or too long. */
  uint(): number | undefined {
    let value = 0;
    for (let i = 0; i < VARINT_BYTES_MAX && this.#at < this.#end; i++) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  part(length: number): Reader {
    return new Reader(this.#bytes, this.#at, this.#at + length);
  }

  /** Passes a value; false: it is cut, or of a type that these answers do not have. */
  skip(type: number): boolean {
    if (type === VARINT) return this.uint() !== undefined;
    const length = type === BYTES ? this.uint() : undefined;
    if (length === undefined) return false;
    this.#at += length;
    return this.#at <= this.#end;
  }
}
