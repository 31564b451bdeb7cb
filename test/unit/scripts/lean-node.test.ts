import { expect, test } from 'vitest';
import { blankName } from '../../../scripts/lean-node.ts';

const NAME = 'OPENSSL_CONF';
/** As in V8's snapshot: the length, the text, and zeros up to a multiple of eight. */
const IN_SNAPSHOT = `\u{1}\u{10}Rb${String.fromCharCode(NAME.length)}\0\0\0${NAME}\0\0\0\0`;
const IN_SOURCE = `process.env.${NAME} `;

test.each([
  ['x64, behind another string', `openssl_conf\0${NAME}\0OpenSSL`],
  ['arm64, behind zeros', `openssl_conf\0\0\0\0${NAME}\0\0\0\0OpenSSL`],
])('one C string loses its name: %s', (_machine, strings) => {
  const text = `${IN_SNAPSHOT}${strings}${IN_SOURCE}`;
  const bytes = Buffer.from(text, 'latin1');

  blankName(bytes, NAME);

  const at = IN_SNAPSHOT.length + strings.indexOf(NAME);
  expect(bytes.toString('latin1')).toBe(`${text.slice(0, at)}\0${text.slice(at + 1)}`);
});

test.each([
  ['none', 0],
  ['two', 2],
])('%s of them is an error, since nobody knows which one is read', (_count, count) => {
  const bytes = Buffer.from(IN_SNAPSHOT + `text\0${NAME}\0`.repeat(count), 'latin1');

  expect(() => blankName(bytes, NAME)).toThrow(`OPENSSL_CONF is ${count} times among the strings`);
});
