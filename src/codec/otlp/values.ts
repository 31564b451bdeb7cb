import type { Output } from '../byte-buffer.ts';
import { doubleBytes, NEGATIVE_BYTES, writeDouble, writeNegative } from '../varint.ts';
import { concat, field, textField, writeFloat } from '../wire-writer.ts';
import { ANY_VALUE, KEY_VALUE, VALUES } from './schema.ts';

const DOUBLE_BYTES = 9;
/** Room for the `AnyValue` of any number. */
export const NUMBER_BYTES_MAX = 1 + NEGATIVE_BYTES;
/** An `AnyValue` without a value. */
const NULL = new Uint8Array(0);
const INT32_MIN = -(2 ** 31);
/** Values below this depth are written as text. */
const DEPTH_MAX = 16;

const isInt = (value: number): boolean => Number.isSafeInteger(value) && value >= INT32_MIN;

/** Bytes of the `AnyValue` of a finite number: whole numbers are integers. */
export function numberBytes(value: number): number {
  if (!isInt(value)) return DOUBLE_BYTES;
  return 1 + (value < 0 ? NEGATIVE_BYTES : doubleBytes(value));
}

/** Writes the `AnyValue` of a finite number. The caller has reserved the room. */
export function writeNumber(output: Output, value: number): void {
  const { bytes } = output;
  const at = output.length;
  if (isInt(value)) {
    bytes[at] = ANY_VALUE.int;
    const write = value < 0 ? writeNegative : writeDouble;
    output.length = write(bytes, at + 1, value);
    return;
  }
  bytes[output.length++] = ANY_VALUE.double;
  writeFloat(output, value);
}

/** The `AnyValue` of a text. */
export function textValue(text: string): Uint8Array<ArrayBuffer> {
  return textField(ANY_VALUE.string, text);
}

/** The `KeyValue` of an attribute. */
export function keyValue(key: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(textField(KEY_VALUE.key, key), field(KEY_VALUE.value, value));
}

/** The `AnyValue` of a value as in JSON; undefined for one that JSON does not have. Rare. */
export function anyValue(value: unknown, depth = 0): Uint8Array | undefined {
  switch (typeof value) {
    case 'string':
      return textValue(value);
    case 'boolean':
      return Uint8Array.of(ANY_VALUE.bool, value ? 1 : 0);
    case 'number':
      return Number.isFinite(value) ? numberValue(value) : undefined;
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null) return undefined;
  if (depth === DEPTH_MAX) return textValue(JSON.stringify(value));
  return Array.isArray(value) ? arrayValue(value, depth) : mapValue(value, depth);
}

function numberValue(value: number): Uint8Array {
  const output = { bytes: new Uint8Array(NUMBER_BYTES_MAX), length: 0 };
  writeNumber(output, value);
  return output.bytes.subarray(0, output.length);
}

function arrayValue(values: readonly unknown[], depth: number): Uint8Array {
  const parts = values.map((each) => field(VALUES, anyValue(each, depth + 1) ?? NULL));
  return field(ANY_VALUE.array, concat(...parts));
}

function mapValue(map: object, depth: number): Uint8Array {
  const parts = Object.entries(map).flatMap(([key, each]) => {
    if (each === undefined) return [];
    return [field(VALUES, keyValue(key, anyValue(each, depth + 1) ?? NULL))];
  });
  return field(ANY_VALUE.map, concat(...parts));
}
