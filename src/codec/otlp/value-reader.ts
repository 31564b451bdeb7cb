import { protobufError } from '../errors.ts';
import { WIRE_MASK } from '../wire.ts';
import type { WireReader } from '../wire-reader.ts';
import { OTLP_ERRORS } from './errors.ts';
import { ANY_VALUE, KEY_VALUE, VALUES } from './schema.ts';

/** Arrays and maps inside of each other; our own writer makes half as many. */
export const VALUE_DEPTH_MAX = 32;

const words = new Uint32Array(2);
const float = new Float64Array(words.buffer);

/**
 * The `AnyValue` before which the reader is, as in JSON; undefined for one without a value. Bytes
 * are a text in base64. Throws a coded error for a damaged value.
 */
export function readValue(reader: WireReader, depth = 0): unknown {
  const outerEnd = reader.end;
  reader.end = reader.length();
  let value: unknown;
  // The last member counts, as in any reader of protobuf.
  while (reader.at < reader.end) value = readMember(reader, reader.tag(), depth, value);
  reader.end = outerEnd;
  return value;
}

function readMember(reader: WireReader, tag: number, depth: number, before: unknown): unknown {
  switch (tag) {
    case ANY_VALUE.string:
      return reader.text();
    case ANY_VALUE.bool:
      reader.varint();
      return reader.low !== 0 || reader.high !== 0;
    case ANY_VALUE.int:
      return reader.signed();
    case ANY_VALUE.double:
      reader.fixed64();
      words[0] = reader.low;
      words[1] = reader.high;
      return float[0];
    case ANY_VALUE.array:
      return readList(reader, depth, (at) => readValue(reader, at) ?? null);
    case ANY_VALUE.map:
      return Object.fromEntries(readList(reader, depth, (at) => readPair(reader, at)));
    case ANY_VALUE.bytes:
      return readBase64(reader);
    default:
      reader.skip(tag & WIRE_MASK);
      return before;
  }
}

/** The values of an `ArrayValue` or a `KeyValueList`. */
function readList<T>(reader: WireReader, depth: number, read: (depth: number) => T): readonly T[] {
  if (depth === VALUE_DEPTH_MAX) {
    const problem = `a value has over ${VALUE_DEPTH_MAX} levels`;
    throw protobufError(OTLP_ERRORS.tooDeep, problem, reader.at);
  }
  const outerEnd = reader.end;
  reader.end = reader.length();
  const values: T[] = [];
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === VALUES) values.push(read(depth + 1));
    else reader.skip(tag & WIRE_MASK);
  }
  reader.end = outerEnd;
  return values;
}

function readPair(reader: WireReader, depth: number): readonly [string, unknown] {
  const outerEnd = reader.end;
  reader.end = reader.length();
  let key = '';
  let value: unknown;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === KEY_VALUE.key) key = reader.text();
    else if (tag === KEY_VALUE.value) value = readValue(reader, depth);
    else reader.skip(tag & WIRE_MASK);
  }
  reader.end = outerEnd;
  return [key, value ?? null];
}

function readBase64(reader: WireReader): string {
  const end = reader.length();
  let text = '';
  for (; reader.at < end; reader.at++) text += String.fromCharCode(reader.bytes[reader.at]!);
  return btoa(text);
}
