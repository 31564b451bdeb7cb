import { expect, test } from 'vitest';
import { framingOf } from '../../../../src/agent/interfaces/link.ts';
import { compileRules } from '../../../../src/agent/interfaces/rules.ts';
import { parseAddress } from '../../../../src/base/ip.ts';

function wants(
  config: { include?: string[]; exclude?: string[]; ips?: string[] },
  name: string,
  addresses: readonly string[] = [],
): boolean {
  const rules = compileRules({
    interfaces: config.include ?? [],
    excludeInterfaces: config.exclude ?? [],
    interfaceIps: config.ips ?? [],
  });
  const bytes = addresses.map((text) => parseAddress(text)!);
  const link = { index: 1, name, type: 1, up: true, mac: '', addresses: bytes };
  return rules.wants({ ...link, peer: -1, driver: '', link: 0, master: 0 });
}

test.each([
  // why, rules, name, addresses, wanted
  ['no rules: all', {}, 'eth0', [], true],
  ['exact', { include: ['eth0'] }, 'eth0', [], true],
  ['exact is not a prefix', { include: ['eth0'] }, 'eth01', [], false],
  ['regex', { include: ['/^br-/'] }, 'br-0', [], true],
  ['regex is anchored only where it says so', { include: ['/^br-/'] }, 'abr-3', [], false],
  ['regex of Go', { include: ['/(?i)^ETH[[:digit:]]$/'] }, 'eth0', [], true],
  ['exclude wins', { include: ['eth0'], exclude: ['/eth/'] }, 'eth0', [], false],
  ['exclude alone', { exclude: ['lo'] }, 'eth0', [], true],
  ['by address', { ips: ['10.0.0.0/8'] }, 'eth0', ['10.1.2.3'], true],
  ['by another address', { ips: ['10.0.0.0/8'] }, 'eth0', ['192.0.2.1', '10.1.2.3'], true],
  ['address elsewhere', { ips: ['10.0.0.0/8'] }, 'eth0', ['11.0.0.1'], false],
  ['no address', { ips: ['10.0.0.0/8'] }, 'eth0', [], false],
  ['IPv6', { ips: ['fd00::/8'] }, 'eth0', ['fd12::1'], true],
  ['families are not mixed up', { ips: ['0.0.0.0/0'] }, 'eth0', ['fd12::1'], false],
  ['nor the other way round', { ips: ['::/0'] }, 'eth0', ['10.1.2.3'], false],
  ['excluded by name', { ips: ['127.0.0.0/8'], exclude: ['lo'] }, 'lo', ['127.0.0.1'], false],
])('%s', (_why, config, name, addresses, wanted) => {
  expect(wants(config, name, addresses)).toBe(wanted);
});

test('frames: Ethernet, bare IP, or nothing that can be read', () => {
  expect([1, 772, 0xfffe, 519, 280].map(framingOf)).toEqual(['l2', 'l2', 'l3', 'l3', undefined]);
});
