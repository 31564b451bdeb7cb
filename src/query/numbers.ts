import { parseDurationMs, parseSizeBytes } from '../base/units.ts';
import { type FieldSpec, unitsPerSecond, WHOLE_NUMBER_MAX } from '../flow/field.ts';
import type { MatchOperator } from './ast.ts';
import { flagOfName, numberOfName } from './names.ts';

/** How two numbers may be compared besides being equal. */
export type Comparison = '>=' | '>' | '<=' | '<';

/** A condition of a filter on a number. */
export type NumberTest =
  | { readonly kind: 'equals'; readonly value: number }
  | { readonly kind: 'compare'; readonly comparison: Comparison; readonly value: number }
  /** Both ends included. */
  | { readonly kind: 'within'; readonly low: number; readonly high: number }
  /** All these bits are set. */
  | { readonly kind: 'bits'; readonly value: number };

const COMPARISONS: readonly Comparison[] = ['>=', '>', '<=', '<'];

/** The comparison of an operator, negated or not; undefined for operators of equality. */
export function comparisonOf(operator: MatchOperator): Comparison | undefined {
  return COMPARISONS.find((comparison) => operator === comparison || operator === `!${comparison}`);
}

export function readNumberTest(
  field: FieldSpec,
  operator: MatchOperator,
  text: string,
): NumberTest | undefined {
  const comparison = comparisonOf(operator);
  const bits = flagOfName(field, text);
  if (bits !== undefined) {
    return comparison === undefined ? { kind: 'bits', value: bits } : undefined;
  }
  const value = readNumber(field, text);
  if (comparison !== undefined) {
    return value === undefined ? undefined : { kind: 'compare', comparison, value };
  }
  // Names hold dashes (`http-alt`), so a whole value comes before a range.
  return value === undefined ? readRange(field, text) : { kind: 'equals', value };
}

/** `8000-8080`, `1.5k-2k`, `-5-5`: ends are amounts, as names with a dash would be ambiguous. */
const RANGE = /^(-?\d[^-]*)-(-?\d[^-]*)$/;

function readRange(field: FieldSpec, text: string): NumberTest | undefined {
  const [, first = '', last = ''] = RANGE.exec(text) ?? [];
  const low = readNumber(field, first);
  const high = readNumber(field, last);
  if (low === undefined || high === undefined || low > high) return undefined;
  return { kind: 'within', low, high };
}

const MAX_OF: Partial<Record<FieldSpec['kind'], number>> = WHOLE_NUMBER_MAX;

/** Members of a list of numbers are 32 bits wide. */
function maxOf({ kind }: FieldSpec): number | undefined {
  return kind === 'list<u32>' ? WHOLE_NUMBER_MAX.u32 : MAX_OF[kind];
}

function readNumber(field: FieldSpec, text: string): number | undefined {
  const number = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : readNamed(field, text);
  if (number === undefined) return undefined;
  const max = maxOf(field);
  if (max === undefined) return number;
  return Number.isInteger(number) && number >= 0 && number <= max ? number : undefined;
}

function readNamed(field: FieldSpec, text: string): number | undefined {
  switch (field.unit) {
    case 'nanoseconds': {
      const ms = parseDurationMs(text);
      return ms === undefined ? undefined : Math.round(ms * 1e6);
    }
    case 'milliseconds':
      return parseDurationMs(text);
    case 'bytes':
      return parseSizeBytes(text);
    default:
      return numberOfName(field, text);
  }
}

/** Valid values, for the end of a sentence. */
export function wantedNumber(field: FieldSpec, operator: MatchOperator): string {
  const one = wantedOne(field);
  if (comparisonOf(operator) !== undefined) return one;
  return `${one}, or a range such as ${exampleRange(field)}`;
}

function wantedOne(field: FieldSpec): string {
  if (isDuration(field)) return `a number of ${field.unit} or a duration such as 10ms`;
  if (field.unit === 'bytes') return 'a number of bytes or a size such as 10k';
  if (field.semantics === 'port') return 'a port from 0 to 65535 or a service such as https';
  if (field.unit === 'bitmask') return 'a number or the name of a flag such as SYN';
  if (field.names === 'protocol') return 'a protocol from 0 to 255 or a name such as tcp';
  const max = maxOf(field);
  return max === undefined ? 'a number' : `a whole number from 0 to ${max}`;
}

function exampleRange(field: FieldSpec): string {
  if (isDuration(field)) return '10ms-2s';
  if (field.unit === 'bytes') return '10k-2M';
  return field.semantics === 'port' ? '8000-8080' : '1-9';
}

/** A duration of 0 means that nothing was measured, not that it took no time. */
export function isDuration({ unit }: FieldSpec): boolean {
  return unitsPerSecond(unit) !== undefined;
}
