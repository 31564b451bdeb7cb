import { expect, test } from 'vitest';
import { goRegExp } from '../../../src/base/go-regexp.ts';

test.each([
  // pattern, what it matches, what it does not match
  ['^br-', 'br-0', 'abr-3'],
  ['^eth[0-9]{1,2}$', 'eth10', 'eth100'],
  ['(?i)^ETH', 'eth0', 'veth0'],
  ['^(?i:ETH)0', 'eth0', 'eth1'],
  ['x(?i)y|z', 'Z', 'XY'],
  ['a((?i)b)c', 'aBc', 'aBC'],
  ['(?i)a(?-i)b', 'Ab', 'AB'],
  ['^veth[[:xdigit:]]+$', 'veth0aF', 'vethxyz'],
  ['^[[:alpha:][:digit:]_-]+$', 'ens_5-a', 'ens.5'],
  ['^[^[:digit:]]+$', 'lo', 'eth0'],
  ['^[]a]+$', ']a]', 'b'],
  ['\\Aeth\\d+\\z', 'eth0', 'eth0.5'],
  ['(?P<kind>eth|ens)\\d', 'ens3', 'enp3'],
  ['(?<kind>eth|ens)\\d', 'ens3', 'enp3'],
  ['^\\Qa.b+\\E$', 'a.b+', 'axbb'],
  ['^\\Qa.b', 'a.b', 'axb'],
  ['^cali\\_\\-\\@', 'cali_-@', 'cali'],
  ['^\\pL+$', 'ethé', 'eth0'],
  ['^\\p{Greek}$', 'λ', 'l'],
  ['^\\x{41}\\x42\\103$', 'ABC', 'abc'],
  ['^a{x}]$', 'a{x}]', 'ax'],
  ['^\\S+\\s$', 'a\t', 'a\v'],
  ['^[\\s\\d]+$', ' 1\n', 'a'],
  ['^(eth)?.*?0$', 'wlan0', 'wlan1'],
  ['(?m)^b$', 'a\nb', 'ab'],
  ['(?s)a.b', 'a\nb', 'ab'],
])('%s matches %j, and not %j', (pattern, match, other) => {
  expect(goRegExp(pattern).test(match)).toBe(true);
  expect(goRegExp(pattern).test(other)).toBe(false);
});

test.each([
  'eth(',
  'eth)',
  '[',
  '[a',
  '[[:letter:]]',
  '*',
  'a**',
  '(?=a)',
  '(?!a)',
  '\\y',
  '(a)\\1',
])('%s is none in Go either', (pattern) => {
  expect(() => goRegExp(pattern)).toThrow(SyntaxError);
});
