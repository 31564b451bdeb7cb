import fc from 'fast-check';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import type { FieldSpec } from '../../../src/flow/field.ts';
import { FIELDS } from '../../../src/flow/fields.ts';
import type { Row } from '../../../src/flow/row.ts';

const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => formatAddress(parseAddress(text)!));
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes).toString('hex').match(/../g)!.join(':'));

/** Numbers at which encodings change: by digits, by bits, by sign, by fraction. */
const number = fc.oneof(
  fc.constantFrom(0, 1, 9, 10, 99, 100, 1e9 - 1, 1e9, 1e9 + 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
);

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }).map((value) => value.toWellFormed()),
  fc.constantFrom('', '"', '\\', '\n', '\u0000', '\u2028', 'é', '😀', 'x'.repeat(100)),
);

function valueFor({ kind, unit, omitZero, wholeInJson }: FieldSpec): fc.Arbitrary<unknown> {
  if (unit === 'boolean') return omitZero === true ? fc.constant(true) : fc.boolean();
  const min = omitZero === true ? 1 : 0;
  if (wholeInJson === true) return fc.maxSafeNat();
  switch (kind) {
    case 'u8':
      return fc.integer({ min, max: 0xff });
    case 'u16':
      return fc.integer({ min, max: 0xffff });
    case 'u32':
      return fc.integer({ min, max: 0xffffffff });
    case 'f64':
      return number.filter((value) => !Object.is(value, -0) && (value !== 0 || omitZero !== true));
    case 'str':
      return text;
    case 'addr':
      return address;
    case 'mac':
      return mac;
    case 'list<u32>':
      return fc.array(fc.integer({ min: 0, max: 0xffffffff }), { minLength: 1, maxLength: 6 });
    case 'list<str>':
      return fc.array(text, { minLength: 1, maxLength: 6 });
    case 'any':
      // Through text, since JSON has no -0.
      return fc
        .json()
        .map((json) => JSON.parse(JSON.stringify(JSON.parse(json))))
        .filter((value) => value !== null);
  }
}

/** Flows in canonical form: a batch returns the flows that it received. Keys are in table order. */
export function anyRow(fields: readonly FieldSpec[] = FIELDS): fc.Arbitrary<Row> {
  const model = Object.fromEntries(fields.map((field) => [field.name, valueFor(field)]));
  return fc.record(model, { requiredKeys: [] });
}
