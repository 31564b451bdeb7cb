import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../src/base/errors.ts';
import {
  DOCUMENT_DEPTH_MAX,
  DOCUMENT_VALUES_MAX,
  parseDocument,
  withPlaces,
} from '../../../src/config/document.ts';
import { CONFIG_ERRORS } from '../../../src/config/errors.ts';
import { errorRow } from '../../support/error-row.ts';

const parse = (source: string) => parseDocument('c.yaml', source);

function refusalOf(source: string): string {
  try {
    parse(source);
  } catch (error) {
    expect(error).toBeInstanceOf(NetobservError);
    expect(error).toHaveProperty('code', CONFIG_ERRORS.file.code);
    return (error as NetobservError).message;
  }
  throw new Error('was not refused');
}

test('YAML and JSON become plain data; keys keep their case', () => {
  const value = { Pipeline: [{ a: 1, b: 'x' }, null], tOp: { 'a.b/c': true }, n: 1.5 };
  expect(parse(JSON.stringify(value)).value).toEqual(value);
  const yaml = 'Pipeline:\n- {a: 1, b: x}\n- \ntOp:\n  a.b/c: true\nn: 1.5\n';
  expect(parse(yaml).value).toEqual(value);
});

test('a text without a value has none', () => {
  for (const source of ['', '\n# only a comment\n', '---\n', 'null']) {
    expect(parse(source).value).toBeUndefined();
  }
});

test('aliases stand for what their anchors name, the last before them', () => {
  const { value } = parse('a: &x {k: [1]}\nb: *x\nc: &x 2\nd: *x\n');
  expect(value).toEqual({ a: { k: [1] }, b: { k: [1] }, c: 2, d: 2 });
});

test('"__proto__" is a key like any other', () => {
  const { value } = parse('__proto__: {polluted: 1}');
  expect(Object.keys(value as object)).toEqual(['__proto__']);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

const SOURCE = `# comment
pipeline:
  - name: a
    follows: b
app.kubernetes.io/name: {x: 1}
anchored: &n
  deep: [1, {key: 0755}]
again: *n
`;

test.each<[path: string, key: string, value: string]>([
  ['', '2:1', '2:1'],
  ['pipeline', '2:1', '3:3'],
  ['pipeline[0]', '3:5', '3:5'],
  ['pipeline[0].follows', '4:5', '4:14'],
  ['app.kubernetes.io/name.x', '5:26', '5:29'],
  ['anchored.deep[1].key', '7:14', '7:19'],
  ['again.deep[1].key', '7:14', '7:19'],
  ['again', '8:1', '8:8'],
  // Missing: the nearest place above it.
  ['pipeline[0].whenFull', '3:5', '3:5'],
  ['pipeline[7].name', '2:1', '3:3'],
  ['pipelin', '2:1', '2:1'],
])('"%s" has its place', (path, key, value) => {
  const document = parse(SOURCE);
  expect(document.place(path).text).toBe(`c.yaml:${key}`);
  expect(document.place(path, 'value').text).toBe(`c.yaml:${value}`);
});

test('lines end in LF or CRLF', () => {
  for (const end of ['\n', '\r\n']) {
    const document = parse(['a: 1', 'b:', '  c: 2'].join(end));
    expect(document.place('b.c')).toEqual({ line: 3, column: 3, text: 'c.yaml:3:3' });
  }
});

test('an unquoted scalar can be read as it is written', () => {
  const document = parse('mode: 0755\ntext: "0755"\nlist: [1e3]');
  expect(document.written('mode')).toBe('0755');
  expect(document.written('text')).toBeUndefined();
  expect(document.written('list')).toBeUndefined();
  expect(document.written('list[0]')).toBe('1e3');
  expect(document.written('none')).toBeUndefined();
});

test.each([
  ['a key that is there twice', 'a: 1\nb:\n  c: 1\n  c: 2\n', 'c.yaml:4:3: key "c" is there twice'],
  ['a second document', 'a: 1\n---\nb: 2', 'c.yaml:2:1: a second document'],
  ['a flow map without an end', '{"a":', 'c.yaml:1:6: neither YAML nor JSON'],
  ['a bad indentation', 'a:\n   b: 1\n  c: 2\n', 'c.yaml:3:'],
  ['an unknown tag', 'a: !!js/function x', 'c.yaml:1:4: neither YAML nor JSON: Unresolved tag'],
  ['an alias without an anchor', 'a: *b', 'c.yaml:1:4: alias *b refers to no anchor'],
  ['an alias before its anchor', 'a: *b\nb: &b 1', 'c.yaml:1:4: alias *b refers to no anchor'],
  ['an alias of what it is in', 'a: &a [*a]', 'c.yaml:1:8: alias *a is inside of its own anchor'],
  ['a key that is a list', '[a]: 1', 'c.yaml:1:1: a key must be a text'],
  ['no key', ': 1', 'c.yaml:1:1: a key must be a text'],
  ['a control character', 'a: 1\nb: \u0000', 'c.yaml:2:4: a control character'],
])('refused: %s', (_why, source, message) => {
  expect(refusalOf(source)).toContain(message);
});

test('every key that is there twice is reported', () => {
  expect(refusalOf('a: 1\nb: 1\na: 2\nb: 2\n')).toBe(
    'c.yaml:\n  c.yaml:3:1: key "a" is there twice\n  c.yaml:4:1: key "b" is there twice',
  );
});

const LARGE = 1 << 20;
const rows = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

/** Nine times the previous line, twelve times over. */
const BOMB = ['a: &a [x,x,x,x,x,x,x,x,x]']
  .concat([...'bcdefghijklm'].map((name, index) => bombLine(name, 'abcdefghijkl'[index]!)))
  .join('\n');

function bombLine(name: string, before: string): string {
  return `${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`;
}

test.each([
  ['flow lists in each other', '['.repeat(LARGE)],
  ['flow maps in each other', '{a: '.repeat(LARGE / 4)],
  ['block lists in each other', '- '.repeat(LARGE / 2)],
  ['block maps in each other', rows(1400, (index) => `${' '.repeat(index)}a:`)],
  ['explicit keys in each other', '? '.repeat(LARGE / 2)],
  ['aliases of aliases', BOMB],
  ['one alias many times', `a: &a [${'x,'.repeat(1000)}]\nb: [${'*a,'.repeat(1000)}]`],
  ['a long list', rows(LARGE / 4, () => '- 1')],
  ['many lines', '\n'.repeat(LARGE)],
  ['many documents', '---\n'.repeat(LARGE / 4)],
  ['many quotes', '"'.repeat(LARGE)],
  ['many anchors', '&a '.repeat(LARGE / 3)],
  ['many tags', '!!a '.repeat(LARGE / 4)],
  ['bytes', rows(4000, (index) => String.fromCharCode(...[1, 2, 3, 4].map((n) => n * index)))],
  ['a disk', 'x'.repeat(LARGE + 1)],
])('hostile, and refused soon: %s', (_why, source) => {
  const startMs = performance.now();
  expect(refusalOf(source).length).toBeLessThan(300);
  // Far more than a second is needed only on busy machines.
  expect(performance.now() - startMs).toBeLessThan(10_000);
});

test('keys that differ are many, and read soon', () => {
  const startMs = performance.now();
  const { value } = parse(rows(12_000, (index) => `key${index}: ${index}`));
  expect(Object.keys(value as object)).toHaveLength(12_000);
  expect(performance.now() - startMs).toBeLessThan(10_000);
});

test('the bounds are far from what people write', () => {
  const deep = '['.repeat(DOCUMENT_DEPTH_MAX) + ']'.repeat(DOCUMENT_DEPTH_MAX);
  expect(JSON.stringify(parse(deep).value)).toBe(deep);
  const shared = `a: &a [${'1,'.repeat(900)}]\nb: [${'*a,'.repeat(100)}]`;
  const { b } = parse(shared).value as { b: unknown[][] };
  expect(b.flat()).toHaveLength(90_000);
  expect(b.flat().length).toBeLessThan(DOCUMENT_VALUES_MAX);
});

test('any JSON value is read as JSON reads it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value);
      // DEL is allowed in JSON, but people do not type it.
      fc.pre(!text.includes('\x7f'));
      expect(parse(text).value).toEqual(JSON.parse(text) ?? undefined);
    }),
  );
});

test('any text is read, or refused with a coded error', () => {
  const word = fc.constantFrom('a', ': ', '- ', '[', ']', '{', '}', ',', '\n', '  ', '&a ', '*a ');
  const more = fc.constantFrom('"', "'", '|\n', '>\n', '!!str ', '? ', '#', '---\n', '%', '<<');
  fc.assert(
    fc.property(fc.array(fc.oneof(word, more, fc.string())), (parts) => {
      try {
        const document = parse(parts.join(''));
        JSON.stringify(document.value);
        expect(document.place('a[0].b', 'value').line).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toHaveProperty('code', CONFIG_ERRORS.file.code);
      }
    }),
    { numRuns: 2000 },
  );
});

test('errors of later checks get their place; others stay as they are', () => {
  const document = parse('a:\n  b: 10.0.0.0/33\n');
  const wrong = new NetobservError(errorRow('ERR_X'), 'a.b: "10.0.0.0/33" …', {
    details: { path: 'a.b' },
  });
  const fail = (error: unknown) => () =>
    withPlaces(document, () => {
      throw error;
    });
  expect(fail(wrong)).toThrow(
    expect.objectContaining({ code: 'ERR_X', message: 'c.yaml:2:6 a.b: "10.0.0.0/33" …' }),
  );
  const several = new NetobservError(errorRow('ERR_X'), 'wrong:\n  …', {
    details: {
      path: 'a.b',
      errors: [wrong, new NetobservError(errorRow('ERR_Y'), 'a: …', { details: { path: 'a' } })],
    },
  });
  expect(fail(several)).toThrow(
    expect.objectContaining({
      code: 'ERR_X',
      message: 'wrong:\n  c.yaml:2:3 a: …\n  c.yaml:2:6 a.b: "10.0.0.0/33" …',
    }),
  );
  const other = new TypeError('a bug');
  expect(fail(other)).toThrow(other);
  expect(withPlaces(document, () => 1)).toBe(1);
});
