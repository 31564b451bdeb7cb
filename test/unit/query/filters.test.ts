import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ANY, type Filter, MATCH_OPERATORS, type Match } from '../../../src/query/ast.ts';
import { decodeFilters, parseFilters } from '../../../src/query/filters.ts';
import { formatFilters } from '../../support/models/format-filters.ts';

const match = (key: string, operator: Match['operator'], ...values: Match['values']): Match => ({
  kind: 'match',
  key,
  operator,
  values,
});
const exact = (text: string) => ({ kind: 'exact' as const, text });
const pattern = (text: string) => ({ kind: 'pattern' as const, text });
const empty = { kind: 'empty' as const };

test.each<[string, Filter]>([
  ['', ANY],
  ['SrcPort=80', match('SrcPort', '=', pattern('80'))],
  ['Port=80,https', match('Port', '=', pattern('80'), pattern('https'))],
  ['SrcK8S_Namespace="a b|c&d"', match('SrcK8S_Namespace', '=', exact('a b|c&d'))],
  ['SrcK8S_Namespace!=""', match('SrcK8S_Namespace', '!=', empty)],
  ['SrcK8S_Name~web*', match('SrcK8S_Name', '~', pattern('web*'))],
  ['SrcK8S_Name!~"",web', match('SrcK8S_Name', '!~', empty, pattern('web'))],
  ['DnsLatencyMs>=10ms', match('DnsLatencyMs', '>=', pattern('10ms'))],
  [
    'DstPort=80,8000-8080,https',
    match('DstPort', '=', ...['80', '8000-8080', 'https'].map(pattern)),
  ],
  ['DstPort!=80,8000-8080', match('DstPort', '!=', pattern('80'), pattern('8000-8080'))],
  ...MATCH_OPERATORS.filter((operator) => !operator.includes('~')).map(
    (operator): [string, Filter] => [
      `Bytes${operator}10k`,
      match('Bytes', operator, pattern('10k')),
    ],
  ),
  ['Addr=10.0.0.0/8', match('Addr', '=', pattern('10.0.0.0/8'))],
  ['SrcAddr=fd00::1-fd00::9', match('SrcAddr', '=', pattern('fd00::1-fd00::9'))],
  [
    'Proto=tcp&SrcPort=1|Proto=17',
    {
      kind: 'or',
      terms: [
        {
          kind: 'and',
          terms: [match('Proto', '=', pattern('tcp')), match('SrcPort', '=', pattern('1'))],
        },
        match('Proto', '=', pattern('17')),
      ],
    },
  ],
])('%s', (text, filter) => {
  expect(parseFilters(text)).toEqual(filter);
  expect(formatFilters(filter)).toBe(text);
});

test.each([
  ['SrcPrt=80', 'ERR_QUERY_FIELD_UNKNOWN', 'did you mean SrcPort?'],
  ['Proto=6&Namespace="x"', 'ERR_QUERY_FIELD_UNKNOWN', 'at position 9'],
  ['=80', 'ERR_QUERY_SYNTAX', 'position 1'],
  ['SrcPort', 'ERR_QUERY_SYNTAX', 'at the end'],
  ['SrcPort=', 'ERR_QUERY_SYNTAX', 'expected a value of SrcPort'],
  ['SrcPort=80,', 'ERR_QUERY_SYNTAX', 'position 12'],
  ['SrcPort=80|', 'ERR_QUERY_SYNTAX', 'expected a field name'],
  ['SrcPort=80;DROP', 'ERR_QUERY_SYNTAX', 'at ";"'],
  ['SrcK8S_Name="web', 'ERR_QUERY_SYNTAX', 'quote is not closed'],
  ['SrcPort=65536', 'ERR_QUERY_VALUE', 'a port from 0 to 65535'],
  ['SrcPort~80', 'ERR_QUERY_OPERATOR', 'use one of = != >='],
  ['SrcPort~80', 'ERR_QUERY_OPERATOR', '>= > <= <'],
  ['SrcK8S_Name>=3', 'ERR_QUERY_OPERATOR', 'use one of = != ~ !~'],
  ['SrcAddr<10.0.0.1', 'ERR_QUERY_OPERATOR', 'use one of = != ~ !~'],
  ['SrcPort==80', 'ERR_QUERY_SYNTAX', 'position 8, at "=="'],
  ['SrcPort=>80', 'ERR_QUERY_SYNTAX', 'at "=>"'],
  ['SrcPort<>80', 'ERR_QUERY_SYNTAX', 'expected one of'],
  ['SrcPort=80-', 'ERR_QUERY_VALUE', 'a range such as 8000-8080'],
  ['SrcPort=-80', 'ERR_QUERY_VALUE', 'a range such as 8000-8080'],
  ['SrcPort=80-65536', 'ERR_QUERY_VALUE', 'a port from 0 to 65535'],
  [
    'SrcPort=80,443,90-81',
    'ERR_QUERY_VALUE',
    'at position 16; the smaller end of a range comes first: 81-90',
  ],
  ['Bytes<1-9', 'ERR_QUERY_VALUE', 'a size such as 10k'],
  ['Flags=SYN-RST', 'ERR_QUERY_VALUE', 'the name of a flag'],
  ['Flags>SYN', 'ERR_QUERY_VALUE', 'Flags'],
  ['TimeFlowRttNs=2s-10ms', 'ERR_QUERY_VALUE', 'comes first: 10ms-2s'],
  ['SrcAddr=10.0.0', 'ERR_QUERY_VALUE', 'a prefix such as 10.0.0.0/8'],
  ['SrcAddr=10.0.0.0/33', 'ERR_QUERY_VALUE', '10.0.0.0/33'],
  ['SrcAddr=10.0.0.9-10.0.0.1', 'ERR_QUERY_VALUE', 'comes first: 10.0.0.1-10.0.0.9'],
  ['SrcMac=02:00', 'ERR_QUERY_VALUE', 'MAC'],
  ['DnsLatencyMs>=10x', 'ERR_QUERY_VALUE', 'a duration such as 10ms'],
  ['Proto=300', 'ERR_QUERY_VALUE', 'a protocol'],
  ['Bytes>=""', 'ERR_QUERY_VALUE', 'Bytes'],
  ['a'.repeat(10_000), 'ERR_QUERY_TOO_LONG', '8192'],
  [Array(70).fill('Proto=6').join('&'), 'ERR_QUERY_TOO_LONG', '64 terms'],
])('%.40s is refused', (text, code, message) => {
  expect(() => parseFilters(text)).toThrowError(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  );
});

const value = fc.oneof(
  fc.constant(empty),
  fc.stringMatching(/^[ !#-~äß§]{1,8}$/).map(exact),
  fc.stringMatching(/^[\w\-.*:/]{1,8}$/).map(pattern),
);
const term = fc.record({
  kind: fc.constant('match' as const),
  key: fc.constantFrom('SrcK8S_Name', 'K8S_Namespace', 'Interfaces'),
  operator: fc.constantFrom('=', '!=', '~', '!~'),
  values: fc.array(value, { minLength: 1, maxLength: 3 }),
});
const terms = { minLength: 2, maxLength: 3 };
const group = fc.oneof(
  term,
  fc.record({ kind: fc.constant('and' as const), terms: fc.array(term, terms) }),
);
const numberTerm = fc.record({
  kind: fc.constant('match' as const),
  key: fc.constantFrom('SrcPort', 'Port', 'Bytes', 'TimeFlowRttNs'),
  operator: fc.constantFrom(...MATCH_OPERATORS.filter((operator) => !operator.includes('~'))),
  values: fc.array(fc.nat(65_535).map(String).map(pattern), { minLength: 1, maxLength: 3 }),
});
const rangeTerm = fc.record({
  kind: fc.constant('match' as const),
  key: fc.constantFrom('DstPort', 'Port', 'Bytes', 'TimeFlowRttNs', 'IfDirections'),
  operator: fc.constantFrom('=' as const, '!=' as const),
  values: fc.array(
    fc
      .tuple(fc.nat(30_000), fc.nat(30_000))
      .map(([low, length]) => pattern(`${low}-${low + length}`)),
    { minLength: 1, maxLength: 3 },
  ),
});
const filter = fc.oneof(
  fc.constant(ANY),
  group,
  numberTerm,
  rangeTerm,
  fc.record({ kind: fc.constant('or' as const), terms: fc.array(group, terms) }),
);

test('a printed filter reads back as it was', () => {
  fc.assert(
    fc.property(filter, (wanted) => {
      expect(parseFilters(formatFilters(wanted))).toEqual(wanted);
    }),
  );
});

test('any text is a filter or a coded error', () => {
  const pieces = fc.constantFrom(
    'Proto',
    'SrcPort',
    '=',
    '!',
    '~',
    '>',
    '<',
    '-',
    '"',
    ',',
    '|',
    '&',
    '8',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (input) => {
      try {
        expect(parseFilters(formatFilters(parseFilters(input)))).toEqual(parseFilters(input));
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_QUERY_/) });
      }
    }),
    { numRuns: 500 },
  );
});

test('a filter of and over or is written as groups', () => {
  const a = match('Proto', '=', pattern('6'));
  const b = match('SrcPort', '=', pattern('1'));
  const c = match('DstPort', '=', pattern('1'));
  const nested: Filter = { kind: 'and', terms: [a, { kind: 'or', terms: [b, c] }] };
  expect(formatFilters(nested)).toBe('Proto=6&SrcPort=1|Proto=6&DstPort=1');
});

test('a filter that matches nothing, or is too large, cannot be written', () => {
  const nothing: Filter = { kind: 'or', terms: [] };
  const either: Filter = {
    kind: 'or',
    terms: [match('Proto', '=', pattern('6')), match('Proto', '=', pattern('17'))],
  };
  expect(() => formatFilters(nothing)).toThrowError('matches nothing');
  const large: Filter = { kind: 'and', terms: Array.from({ length: 7 }, () => either) };
  expect(() => formatFilters(large)).toThrowError('more than 64 groups');
});

test('what is left of double encoding is undone', () => {
  const text = 'SrcK8S_Name="a b"|Proto=6';
  expect(decodeFilters(text)).toBe(text);
  expect(decodeFilters(encodeURIComponent(text))).toBe(text);
  expect(() => decodeFilters('SrcK8S_Name=%E0%A4%A')).toThrowError(
    expect.objectContaining({ code: 'ERR_QUERY_SYNTAX' }),
  );
});
