import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../../src/base/errors.ts';
import { JsonStream } from '../../../../src/net/ovsdb/json-stream.ts';

function cut(chunks: readonly Buffer[], bytesMax?: number): unknown[] {
  const found: unknown[] = [];
  const stream = new JsonStream((value) => found.push(value), bytesMax);
  for (const chunk of chunks) stream.push(chunk);
  return found;
}

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('JSON objects in a stream', () => {
  test('objects come out as they went in, wherever the stream was cut', () => {
    const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 });
    fc.assert(
      fc.property(objects, fc.integer({ min: 1, max: 50 }), (values, size) => {
        const bytes = Buffer.from(values.map((value) => JSON.stringify(value)).join(''));
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));

        expect(cut(chunks)).toEqual(JSON.parse(JSON.stringify(values)));
      }),
    );
  });

  test.each([
    ['braces and escaped quotes in texts', '{"a":"}\\"{"}', [{ a: '}"{' }]],
    ['blanks between objects', ' {"a":1}\n\t{"b":2}\r\n', [{ a: 1 }, { b: 2 }]],
    ['the beginning of one more', '{"a":1}{"b"', [{ a: 1 }]],
  ])('%s', (_what, text, wanted) => {
    expect(cut([Buffer.from(text)])).toEqual(wanted);
  });

  test.each([
    ['what begins with no brace', '[1]', undefined],
    ['what is no JSON', '{a}', undefined],
    ['what is too long', `{"a":"${'x'.repeat(100)}`, 64],
  ])('refuses %s', (_what, text, bytesMax) => {
    const error = errorOf(() => cut([Buffer.from(text)], bytesMax));
    expect(hasCode(error, 'ERR_OVSDB_MESSAGE')).toBe(true);
  });
});
