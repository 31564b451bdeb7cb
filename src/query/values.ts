import { type Cidr, isMappedV4, parseAddress, parseCidr, parseMac, V4_PREFIX } from '../base/ip.ts';
import type { FieldSpec } from '../flow/field.ts';
import type { Match, MatchOperator, MatchValue } from './ast.ts';
import { QUERY_ERRORS, queryError } from './errors.ts';
import { classOfKind, type FieldClass, requireFields } from './keys.ts';
import { numberOfName } from './names.ts';
import { comparisonOf, type NumberTest, readNumberTest, wantedNumber } from './numbers.ts';

/** One value of a filter, parsed for the kind of its field. */
export type Test =
  | { readonly kind: 'empty' }
  | NumberTest
  /** Addresses as unsigned 128-bit numbers, both ends included. */
  | { readonly kind: 'between'; readonly low: bigint; readonly high: bigint }
  /** The whole text, exactly. */
  | { readonly kind: 'text'; readonly text: string }
  /** The whole text, where `*` matches anything, ignoring case. */
  | { readonly kind: 'glob'; readonly text: string }
  /** Anywhere in the text, ignoring case. */
  | { readonly kind: 'contains'; readonly text: string };

/** The tests of a match on one field: one of them must pass. */
export interface FieldTests {
  readonly field: FieldSpec;
  readonly tests: readonly Test[];
}

export interface ReadMatch {
  /** True for operators with `!`: no test may pass for any of the fields. */
  readonly negative: boolean;
  readonly fields: readonly FieldTests[];
}

const OF_NUMBERS = ['=', '!=', '>=', '>', '<=', '<', '!>=', '!>', '!<=', '!<'] as const;

const OPERATORS_OF: Readonly<Record<FieldClass, readonly MatchOperator[]>> = {
  number: OF_NUMBERS,
  text: ['=', '!=', '~', '!~'],
  address: ['=', '!=', '~', '!~'],
  mac: ['=', '!=', '~', '!~'],
  list: ['=', '!=', '~', '!~'],
};

function operatorsOf(field: FieldSpec): readonly MatchOperator[] {
  // Members of a list can be numbers, too.
  return field.kind === 'list<u32>'
    ? [...OF_NUMBERS, '~', '!~']
    : OPERATORS_OF[classOfKind(field.kind)];
}

/** Positions of the parts of a match in its text, in characters from 0. */
export interface MatchPlace {
  readonly key: number;
  readonly values: readonly number[];
}

/** Reads a match against the field table; throws a coded error for a wrong operator or value. */
export function readMatch(match: Match, place?: MatchPlace): ReadMatch {
  const position = place?.key;
  const fields = requireFields(match.key, position).map((field) => {
    const allowed = operatorsOf(field);
    if (!allowed.includes(match.operator)) {
      throw queryError(
        QUERY_ERRORS.operator,
        `${match.key} cannot be compared with ${match.operator}; use one of ${allowed.join(' ')}`,
        { key: match.key, ...(position === undefined ? {} : { position }) },
      );
    }
    const tests = match.values.flatMap((value, index) => {
      const test = readValue(field, match.operator, value);
      if (test !== undefined) return test;
      throw wrongValue(match, field, value, place?.values[index]);
    });
    return { field, tests };
  });
  return { negative: match.operator.startsWith('!'), fields };
}

function wrongValue(
  { key, operator }: Match,
  field: FieldSpec,
  value: MatchValue,
  position: number | undefined,
) {
  const text = value.kind === 'empty' ? '""' : value.text;
  const where = position === undefined ? '' : ` at position ${position + 1}`;
  return queryError(
    QUERY_ERRORS.value,
    `"${text}" is not a value of ${key}${where}; ${cureOf(field, operator, text)}`,
    { key, value: text, ...(position === undefined ? {} : { position }) },
  );
}

function cureOf(field: FieldSpec, operator: MatchOperator, text: string): string {
  const dash = text.indexOf('-', 1);
  const turned = `${text.slice(dash + 1)}-${text.slice(0, dash)}`;
  const isTurned =
    dash > 0 && readValue(field, operator, { kind: 'exact', text: turned }) !== undefined;
  return isTurned
    ? `the smaller end of a range comes first: ${turned}`
    : `give ${wantedOf(field, operator)}`;
}

function wantedOf(field: FieldSpec, operator: MatchOperator): string {
  if (field.kind === 'list<u32>') return wantedNumber(field, operator);
  switch (classOfKind(field.kind)) {
    case 'address':
      return 'an address, a prefix such as 10.0.0.0/8 or a range such as 10.0.0.1-10.0.0.9';
    case 'mac':
      return 'a MAC address such as 02:00:5e:10:00:01, whole or with *';
    case 'number':
      return wantedNumber(field, operator);
    default:
      return 'a text';
  }
}

function readValue(
  field: FieldSpec,
  operator: MatchOperator,
  value: MatchValue,
): Test | readonly Test[] | undefined {
  if (value.kind === 'empty') {
    return comparisonOf(operator) === undefined ? { kind: 'empty' } : undefined;
  }
  switch (classOfKind(field.kind)) {
    case 'number':
      return readNumberTest(field, operator, value.text);
    case 'address':
      return readAddresses(value, operator);
    case 'mac':
      return readMac(value, operator);
    case 'text':
      return readText(value);
    case 'list':
      return field.kind === 'list<u32>' ? readMember(field, operator, value.text) : readText(value);
  }
}

/**
 * A member of a list of numbers is compared as decimal text, the form in which lists are kept,
 * except in arithmetic comparisons.
 */
function readMember(field: FieldSpec, operator: MatchOperator, text: string): Test | undefined {
  const number = numberOfName(field, text);
  if (number !== undefined && comparisonOf(operator) === undefined) {
    return { kind: 'text', text: String(number) };
  }
  const test = readNumberTest(field, operator, text);
  return test?.kind === 'equals' ? { kind: 'text', text: String(test.value) } : test;
}

function readText(value: Exclude<MatchValue, { kind: 'empty' }>): Test {
  if (value.kind === 'exact') return { kind: 'text', text: value.text };
  return { kind: value.text.includes('*') ? 'glob' : 'contains', text: value.text };
}

function readAddresses(
  value: Exclude<MatchValue, { kind: 'empty' }>,
  operator: MatchOperator,
): Test | readonly Test[] | undefined {
  const { text } = value;
  if (text.includes('*')) return { kind: 'glob', text };
  const dash = text.indexOf('-');
  if (dash > 0) {
    const low = parseAddress(text.slice(0, dash));
    const high = parseAddress(text.slice(dash + 1));
    if (low === undefined || high === undefined) return undefined;
    // A range cannot span both families.
    if (isMappedV4(low) !== isMappedV4(high)) return undefined;
    const range = { low: addressNumber(low), high: addressNumber(high) };
    return range.low <= range.high ? ofOneFamily(range) : undefined;
  }
  const cidr = parseCidr(text);
  if (cidr !== undefined) return ofOneFamily(boundsOf(cidr));
  const partial = value.kind === 'pattern' && (operator === '~' || operator === '!~');
  return partial && /^[0-9a-fA-F.:]+$/.test(text) ? { kind: 'contains', text } : undefined;
}

function readMac(
  value: Exclude<MatchValue, { kind: 'empty' }>,
  operator: MatchOperator,
): Test | undefined {
  const { text } = value;
  if (parseMac(text) !== undefined) return { kind: 'text', text: text.toLowerCase() };
  if (!/^[0-9a-fA-F:*]+$/.test(text)) return undefined;
  if (text.includes('*')) return { kind: 'glob', text };
  return operator === '~' || operator === '!~' ? { kind: 'contains', text } : undefined;
}

/** The 16 bytes of an address as one unsigned number, so that a prefix is an interval. */
export function addressNumber(bytes: Uint8Array): bigint {
  let number = 0n;
  for (const byte of bytes) number = (number << 8n) | BigInt(byte);
  return number;
}

interface Bounds {
  readonly low: bigint;
  readonly high: bigint;
}

/** The addresses that stand for IPv4, ::ffff:0:0/96: families are separate, see Cidr. */
const V4_SPACE: Bounds = boundsOf({ bytes: parseCidr('0.0.0.0/0')!.bytes, prefix: V4_PREFIX });

/** An IPv6 range around the IPv4 addresses is split into the parts below and above them. */
function ofOneFamily({ low, high }: Bounds): readonly Test[] {
  if (low >= V4_SPACE.low || high < V4_SPACE.low) return [{ kind: 'between', low, high }];
  const below: Test = { kind: 'between', low, high: V4_SPACE.low - 1n };
  if (high <= V4_SPACE.high) return [below];
  return [below, { kind: 'between', low: V4_SPACE.high + 1n, high }];
}

function boundsOf(cidr: Cidr): Bounds {
  const low = addressNumber(cidr.bytes);
  return { low, high: low | ((1n << BigInt(128 - cidr.prefix)) - 1n) };
}
