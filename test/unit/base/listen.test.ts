import { expect, test } from 'vitest';
import { parseListen } from '../../../src/base/listen.ts';

test.each([
  ['127.0.0.1:9001', { host: '127.0.0.1', port: 9001 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['node-1.example.org:0', { host: 'node-1.example.org', port: 0 }],
  [':9001', { host: '::', port: 9001 }],
  ['127.0.0.1', undefined],
  ['127.0.0.1:65536', undefined],
  ['1.2.3.999:1', undefined],
  ['::1:80', undefined],
  ['[::zz]:80', undefined],
  ['[1.2.3.4]:80', undefined],
  ['http://localhost:80', undefined],
  ['host:80/path', undefined],
])('%s', (text, wanted) => {
  expect(parseListen(text)).toEqual(wanted);
});
