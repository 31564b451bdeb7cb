import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FilterConfig } from '../../../../../src/console/api.ts';
import {
  stageOf,
  takesRanges,
  valueSuggestions,
} from '../../../../../src/console/web/filters/suggest.ts';
import {
  addTerm,
  exactValue,
  groupTerms,
  isNumeric,
  matchFilters,
  operatorsOf,
  parseDraft,
  splitValues,
  toQueryText,
} from '../../../../../src/console/web/filters/terms.ts';
import type { FilterTerm } from '../../../../../src/console/web/state/view-state.ts';
import { FIELDS } from '../../../../../src/flow/fields.ts';
import { FILTERS } from '../../../../../src/flow/filters.ts';
import { parseFilters } from '../../../../../src/query/filters.ts';
import { comparisonOf } from '../../../../../src/query/numbers.ts';
import { formatFilters } from '../../../../support/models/format-filters.ts';
import { frontendConfigOf } from '../frontend-config.ts';

const config = frontendConfigOf();
const filterOf = (id: string): FilterConfig => config.filters.find((one) => one.id === id)!;

function termOf(id: string, values: readonly string[], more: Partial<FilterTerm> = {}): FilterTerm {
  return { id, operator: '=', values, disabled: false, ...more };
}

test('terms become the query text of the API', () => {
  const filters = [
    termOf('src_port', ['443', '80']),
    termOf('protocol', ['17'], { operator: '!=' }),
    termOf('dst_port', ['22'], { disabled: true }),
  ];
  expect(toQueryText({ filters, match: 'all' }, config.filters)).toBe('SrcPort=443,80&Proto!=17');
  expect(toQueryText({ filters, match: 'any' }, config.filters)).toBe('SrcPort=443,80|Proto!=17');
  expect(toQueryText({ filters: [], match: 'all' }, config.filters)).toBe('');
});

test('a term that only another configuration knows is left to the server to refuse', () => {
  const filters = [termOf('src_port', ['443']), termOf('of_another_version', ['1'])];
  const text = toQueryText({ filters, match: 'all' }, config.filters);
  expect(() => parseFilters(text)).toThrow('there is no field of_another_version');
});

test('whatever is typed as the value of a text, the server can read it', () => {
  const typed = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(typed, (value) => {
      fc.pre(value.trim() !== '');
      const filters = [termOf('interfaces', [value], { operator: '~' })];
      const text = toQueryText({ filters, match: 'all' }, config.filters);
      const read = text.includes('%') ? decodeURIComponent(text) : text;
      expect(parseFilters(formatFilters(parseFilters(read)))).toEqual(parseFilters(read));
    }),
  );
});

test('every filter of the field table has operators that the query accepts', () => {
  for (const filter of config.filters) {
    const field = FIELDS.find((one) => one.name === filter.key);
    if (field === undefined) continue;
    for (const operator of operatorsOf(filter, config)) {
      const value = comparisonOf(operator) === undefined ? '""' : '1';
      const filters = [termOf(filter.id, [value], { operator })];
      const text = toQueryText({ filters, match: 'all' }, config.filters);
      expect(() => parseFilters(text), text).not.toThrow();
    }
  }
  expect(FILTERS.length).toBe(config.filters.length);
});

test.each([
  ['src_port>=1024', 'src_port', '>=', '1024'],
  ['src_port!>=1024', 'src_port', '!>=', '1024'],
  ['src_port<1024', 'src_port', '<', '1024'],
  ['Source Port <= 1024', 'src_port', '<=', '1024'],
  ['dst_port=80,8000-8080', 'dst_port', '=', '80,8000-8080'],
  ['SrcPort = 443', 'src_port', '=', '443'],
  ['Source Port=443,80', 'src_port', '=', '443,80'],
  ['port!=22', 'port', '!=', '22'],
])('%s is understood', (text, id, operator, rest) => {
  const draft = parseDraft(text, config.filters);
  expect([draft?.filter.id, draft?.operator, draft?.rest]).toEqual([id, operator, rest]);
});

test('commas within quotes belong to the value', () => {
  expect(splitValues('a, "b,c" ,d,')).toEqual(['a', '"b,c"', 'd']);
});

test('typing goes from field to operator to value', () => {
  expect(stageOf('src_po', config.filters).kind).toBe('field');
  expect(stageOf('src_port ', config.filters).kind).toBe('operator');
  expect(stageOf('src_port=443,80', config.filters)).toMatchObject({
    kind: 'value',
    settled: ['443'],
    partial: '80',
  });
});

test('a value that is picked keeps those before it', () => {
  const stage = stageOf('src_port=443,8', config.filters);
  if (stage.kind !== 'value') throw new Error(stage.kind);
  const [first] = valueSuggestions(stage, ['443', '80'], config);
  expect(first).toMatchObject({ text: 'src_port=443,80', detail: 'http' });
});

test('the filter that is named comes before those that only mention it', () => {
  expect(matchFilters('src_port', config.filters)[0]?.id).toBe('src_port');
  expect(matchFilters('no such thing', config.filters)).toEqual([]);
});

test('ranges and bounds are offered for every number, and reach the server as they were typed', () => {
  for (const filter of config.filters) {
    if (filter.component !== 'number' || !isNumeric(filter, config)) continue;
    expect(operatorsOf(filter, config)).toEqual(['=', '!=', '>=', '>', '<=', '<']);
    const filters = [termOf(filter.id, ['1-9', '11'])];
    const text = toQueryText({ filters, match: 'all' }, config.filters);
    expect(text).toBe(`${filter.key}=1-9,11`);
    expect(() => parseFilters(text), text).not.toThrow();
    expect(takesRanges(stageOf(`${filter.id}=`, config.filters), config)).toBe(true);
    expect(takesRanges(stageOf(`${filter.id}>`, config.filters), config)).toBe(false);
  }
});

test('clicked values are exact, and quoted only where a bare one would match more', () => {
  expect(exactValue(443, filterOf('src_port'), config)).toBe('443');
  expect(exactValue('fd00::1', filterOf('src_address'), config)).toBe('fd00::1');
  expect(exactValue('eth0', filterOf('interfaces'), config)).toBe('"eth0"');
  expect(exactValue('', filterOf('interfaces'), config)).toBe('""');
});

test('values of the same filter are joined, a second bound replaces the first', () => {
  const one = addTerm([], termOf('src_port', ['443']));
  expect(addTerm(one, termOf('src_port', ['443', '80']))).toEqual([
    termOf('src_port', ['443', '80']),
  ]);
  const atLeast = termOf('src_port', ['1024'], { operator: '>=' });
  expect(addTerm([atLeast], { ...atLeast, values: ['2048'] })[0]?.values).toEqual(['2048']);
  expect(
    addTerm([termOf('src_port', ['1'], { disabled: true })], termOf('src_port', ['2'])),
  ).toHaveLength(2);
});

test('chips stand with those of the same end', () => {
  const terms = [
    termOf('protocol', ['6']),
    termOf('dst_port', ['1']),
    termOf('src_port', ['2']),
    termOf('src_address', ['3']),
  ];
  expect(groupTerms(terms, config.filters)).toEqual([
    { category: 'source', indices: [2, 3] },
    { category: 'destination', indices: [1] },
    { category: 'common', indices: [0] },
  ]);
});

test.each([
  ['"plain words"', 'Interfaces="plain words"'],
  ['"with "quotes" inside"', 'Interfaces=with*quotes*inside'],
  ['"two\nlines"', 'Interfaces=two*lines'],
  ['""', 'Interfaces=""'],
])('%j reaches the server as %s', (value, text) => {
  const filters = [termOf('interfaces', [value])];
  expect(toQueryText({ filters, match: 'all' }, config.filters)).toBe(text);
  expect(() => parseFilters(text)).not.toThrow();
});
