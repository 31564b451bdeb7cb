import fc from 'fast-check';
import { expect, test } from 'vitest';
import { visible, visibleJson } from '../../../../../src/console/web/format/visible.ts';

test.each([
  ['www.example.org', 'www.example.org'],
  ['süß 例え тест 😀', 'süß 例え тест 😀'],
  ['gro\u202egepj.exe', 'gro‹U+202E›gepj.exe'],
  ['a\u200bb\ufeffc', 'a‹U+200B›b‹U+FEFF›c'],
  ['one\r\ntwo', 'one‹U+000D›‹U+000A›two'],
  ['\u001b[31mred', '‹U+001B›[31mred'],
  ['\u2067right\u2069', '‹U+2067›right‹U+2069›'],
  ['\u{e0041}tag', '‹U+E0041›tag'],
  ['<img src=x>', '<img src=x>'],
])('%j', (text, shown) => expect(visible(text)).toBe(shown));

test('nothing invisible is left, and escaped JSON means the same', () => {
  const unit = fc.constantFrom('a', '\u202e', '\u200d', '\n', '"', '\\', '\u{e0001}', '\u2028');
  fc.assert(
    fc.property(fc.string({ unit }), (text) => {
      expect(visible(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      const json = visibleJson(JSON.stringify({ [text]: text }, undefined, 2));
      expect(JSON.parse(json)).toEqual({ [text]: text });
      expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});
