import { expect, test } from 'vitest';
import {
  crossSiteReason,
  HostCheck,
  isLoopback,
  isWildcard,
} from '../../../../src/console/server/hosts.ts';

test.each([
  // bound to, header, answered
  ['127.0.0.1', 'localhost:9001', true],
  ['127.0.0.1', 'LOCALHOST.:9001', true],
  ['127.0.0.1', '127.0.0.1', true],
  ['127.0.0.1', '[::1]:9001', true],
  ['127.0.0.1', 'console.example.org', true],
  ['127.0.0.1', 'evil.example', false],
  ['127.0.0.1', 'localhost.evil.example', false],
  ['127.0.0.1', '127.0.0.1.evil.example:9001', false],
  ['127.0.0.1', '10.0.0.1:9001', false],
  ['127.0.0.1', 'localhost:9001:1', false],
  ['127.0.0.1', 'user@localhost', false],
  ['127.0.0.1', '', false],
  ['127.0.0.1', undefined, false],
  ['10.0.0.1', '10.0.0.1:9001', true],
  ['10.0.0.1', '10.0.0.2:9001', false],
  ['node-1', 'node-1:9001', true],
  ['0.0.0.0', '192.168.7.7:9001', true],
  ['::', '[fd00::7]:9001', true],
  ['::', 'evil.example:9001', false],
])('bound to %s, Host %s: %s', (bound, header, answered) => {
  expect(new HostCheck(bound, ['console.example.org']).allows(header)).toBe(answered);
});

test.each([
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::1', true],
  ['localhost', true],
  ['::ffff:127.0.0.1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['::2', false],
  ['10.0.0.1', false],
  ['localhost.example.org', false],
])('%s is loopback: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});

test.each([
  ['0.0.0.0', true],
  ['::', true],
  ['::1', false],
  ['127.0.0.1', false],
  ['name', false],
])('%s is a wildcard: %s', (host, wildcard) => {
  expect(isWildcard(host)).toBe(wildcard);
});

test.each([
  ['no browser', {}, false],
  ['same origin', { origin: 'http://localhost:9001' }, false],
  ['same name, other port', { origin: 'http://localhost:3000' }, true],
  ['other name', { origin: 'http://evil.example' }, true],
  ['sandboxed page', { origin: 'null' }, true],
  ['link from elsewhere', { 'sec-fetch-site': 'cross-site' }, true],
  ['behind a proxy that passes its own Host', { origin: 'https://Flows.example.org' }, false],
  [
    'the same from elsewhere',
    { origin: 'https://flows.example.org', 'sec-fetch-site': 'cross-site' },
    true,
  ],
  ['a longer name', { origin: 'https://flows.example.org.evil.example' }, true],
  ['own page', { 'sec-fetch-site': 'same-origin' }, false],
])('%s: cross-site is %s', (_who, headers, crossSite) => {
  const reason = crossSiteReason({ host: 'localhost:9001', ...headers }, ['flows.example.org']);
  expect(reason !== undefined).toBe(crossSite);
});

test('a refusal says both values, and what to do', () => {
  const headers = { host: '127.0.0.1:9001', origin: 'https://flows.example.org' };
  const reason = crossSiteReason(headers, []);
  expect(reason).toContain('Origin is https://flows.example.org, Host is 127.0.0.1:9001');
  expect(reason).toContain('let the proxy pass Host');
  expect(reason).toContain('--allowed-hosts');
  const long = crossSiteReason({ ...headers, origin: `https://${'x'.repeat(50_000)}` }, []);
  expect(long!.length).toBeLessThan(500);
});
