import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import {
  findAgentAddress,
  type HostAddresses,
  systemAddresses,
} from '../../../src/agent/address.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

function info(address: string, internal = false): NetworkInterfaceInfo {
  return { address, internal, netmask: '', mac: '', cidr: null, family: 'IPv4' };
}

const HOST: HostAddresses = {
  networkInterfaces: () => ({
    lo: [info('127.0.0.1', true), info('::1', true)],
    eth0: [info('fe80::1'), info('169.254.9.9'), info('192.0.2.7'), info('2001:db8::7')],
    eth1: [info('198.51.100.1')],
  }),
  towardsOutside: async (family) => (family === 'ipv4' ? '203.0.113.9' : undefined),
};
const OFFLINE: HostAddresses = { ...HOST, towardsOutside: async () => undefined };
const BARE: HostAddresses = {
  networkInterfaces: () => ({ lo: [info('127.0.0.1', true)] }),
  towardsOutside: async () => undefined,
};

test.each([
  ['given', { AGENT_IP: '2001:DB8::0001' }, HOST, '2001:db8::1'],
  ['towards the outside', {}, HOST, '203.0.113.9'],
  ['of an interface', { AGENT_IP_IFACE: 'name:eth1' }, HOST, '198.51.100.1'],
  ['local, no link-local one', { AGENT_IP_IFACE: 'local' }, HOST, '192.0.2.7'],
  ['local of a family', { AGENT_IP_IFACE: 'local', AGENT_IP_TYPE: 'ipv6' }, HOST, '2001:db8::7'],
])('%s', async (_why, env, host, wanted) => {
  expect(await findAgentAddress(agentConfig(env as Record<string, string>), host)).toEqual({
    address: wanted,
  });
});

test.each([
  ['without a route, a local one', {}, OFFLINE, '192.0.2.7'],
  ['without any, none', {}, BARE, ''],
  ['none of the family outside', { AGENT_IP_TYPE: 'ipv6' }, HOST, '2001:db8::7'],
])('%s, and a warning', async (_why, env, host, wanted) => {
  const found = await findAgentAddress(agentConfig(env as Record<string, string>), host);
  expect(found.address).toBe(wanted);
  expect(found.warning).toContain('AGENT_IP');
});

test('an interface without such an address is an error that names those with one', async () => {
  const config = agentConfig({ AGENT_IP_IFACE: 'name:eth9' });
  await expect(findAgentAddress(config, HOST)).rejects.toMatchObject({
    code: 'ERR_AGENT_ADDRESS',
    message: expect.stringContaining('eth0, eth1'),
  });
});

test('the machine’s own answer is an address or none', async () => {
  const address = await systemAddresses.towardsOutside('ipv4');
  expect(address ?? '0.0.0.0').toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});
