import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DEFAULT_VIEW,
  type FilterTerm,
  LIMITS,
  type Range,
  type Refresh,
  TABS,
  TOPS,
  type ViewState,
  ZONES,
} from '../../../../../src/console/web/state/view-state.ts';
import {
  decodeTerms,
  decodeView,
  encodeTerms,
  encodeView,
} from '../../../../../src/console/web/state/view-url.ts';
import { TRAFFIC_MEASURES } from '../../../../../src/flow/measures.ts';
import { MATCH_OPERATORS } from '../../../../../src/query/ast.ts';

const word = fc.stringMatching(/^[A-Za-z]\w{0,12}$/);
const words = (max: number) => fc.uniqueArray(word, { minLength: 1, maxLength: max });
const seconds = fc.integer({ min: 1, max: 2_000_000_000 });

const term: fc.Arbitrary<FilterTerm> = fc.record({
  id: fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/),
  operator: fc.constantFrom(...MATCH_OPERATORS),
  values: fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { minLength: 1, maxLength: 4 }),
  disabled: fc.boolean(),
});

const range: fc.Arbitrary<Range> = fc.oneof(
  fc.record({ kind: fc.constant('last' as const), seconds }),
  fc
    .tuple(seconds, seconds)
    .map(([startS, length]) => ({ kind: 'between' as const, startS, endS: startS + length })),
);

const refresh: fc.Arbitrary<Refresh> = fc.oneof(
  fc.constantFrom('live' as const, 'off' as const),
  fc.integer({ min: 5, max: 86_400 }),
);

const view: fc.Arbitrary<ViewState> = fc.record({
  tab: fc.constantFrom(...TABS),
  range,
  refresh,
  zone: fc.constantFrom(undefined, ...ZONES),
  filters: fc.array(term, { maxLength: 5 }),
  match: fc.constantFrom('all', 'any'),
  columns: fc.option(words(8), { nil: undefined }),
  sort: fc.record({ column: word, descending: fc.boolean() }),
  limit: fc.constantFrom(...LIMITS),
  groupBy: words(4),
  panels: fc.array(words(4), { minLength: 1, maxLength: 12 }),
  metric: fc.constantFrom(...TRAFFIC_MEASURES),
  top: fc.constantFrom(...TOPS),
});

test('every view comes back from its link', () => {
  fc.assert(
    fc.property(view, (one) => {
      expect(decodeView(encodeView(one))).toEqual(one);
    }),
  );
});

test('any text opens as some view, which then has a stable link', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      const opened = decodeView(text);
      expect(decodeView(encodeView(opened))).toEqual(opened);
    }),
  );
});

test('the usual view has the shortest link', () => {
  expect(encodeView(DEFAULT_VIEW)).toBe('');
  expect(decodeView('')).toEqual(DEFAULT_VIEW);
});

test('links stay readable and keep the names of the original console', () => {
  const filters: readonly FilterTerm[] = [
    { id: 'src_port', operator: '=', values: ['443', '80'], disabled: false },
    { id: 'proto', operator: '!=', values: ['17'], disabled: true },
  ];
  const link = encodeView({ ...DEFAULT_VIEW, tab: 'flows', filters, limit: 1000 });
  expect(link).toBe('tab=flows&filters=src_port=443,80;-proto!=17&limit=1000');
  expect(encodeView({ ...DEFAULT_VIEW, range: { kind: 'between', startS: 100, endS: 200 } })).toBe(
    'startTime=100&endTime=200',
  );
});

test.each([
  ['an end before its start', 'startTime=200&endTime=100', 'range'],
  ['no number', 'timeRange=soon', 'range'],
  ['nothing at all', 'timeRange=0', 'range'],
  ['more than a hundred years', 'timeRange=3153600001', 'range'],
  ['a year of five digits', 'startTime=100&endTime=253402300800', 'range'],
  ['a flood of requests', 'refresh=1', 'refresh'],
  ['an unknown tab', 'tab=topology', 'tab'],
  ['a limit that is not offered', 'limit=123456', 'limit'],
  ['a name that is no name', 'groupBy=<script>', 'groupBy'],
] as const)('%s falls back to the default', (_why, search, key) => {
  expect(decodeView(search)[key]).toEqual(DEFAULT_VIEW[key]);
});

test('values may hold the separators of the notation', () => {
  const terms: readonly FilterTerm[] = [
    { id: 'name', operator: '~', values: ['a,b', '50%', 'x;-y=z', '%2C'], disabled: false },
  ];
  expect(decodeTerms(encodeTerms(terms))).toEqual(terms);
});
