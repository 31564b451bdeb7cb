import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { hostNetworks } from '../../../../../src/pipeline/transform/network/host-networks.ts';

function address(text: string, internal = false): NetworkInterfaceInfo {
  return { address: text, internal } as NetworkInterfaceInfo;
}

/** As a laptop with Docker and a VPN shows them (Linux 6.1). */
const INTERFACES = {
  lo: [address('127.0.0.1', true), address('::1', true)],
  wlan0: [address('192.168.1.20'), address('2001:db8:5::20'), address('fe80::fc:ff:fe00:1')],
  docker0: [address('172.17.0.1')],
  tun0: [address('10.8.0.2')],
};
const ROUTES = [
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
  'tun0\t00000000\t0100080A\t0003\t0\t0\t50\t00000080\t0\t0\t0',
  'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
  'tun0\t0000080A\t00000000\t0001\t0\t0\t50\t0000FFFF\t0\t0\t0',
  'tun0\t00000A0A\t0100080A\t0003\t0\t0\t50\t0000FFFF\t0\t0\t0',
  'wlan0\t0000FEA9\t00000000\t0001\t0\t0\t1000\t0000FFFF\t0\t0\t0',
  'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
  'wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0',
  'cali1\t0505000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0',
  '*\t00000B0A\t00000000\t0200\t0\t0\t0\t0000FFFF\t0\t0\t0',
].join('\n');
const ZERO = '0'.repeat(32);
const ROUTES6 = [
  `20010db8000500000000000000000000 40 ${ZERO} 00 ${ZERO} 00000258 00000001 00000000 00000001    wlan0`,
  `fe800000000000000000000000000000 40 ${ZERO} 00 ${ZERO} 00000100 00000002 00000000 00000001    wlan0`,
  `fd420000000000000000000000000000 10 ${ZERO} 00 20010db8000500000000000000000001 00000032 00000001 00000000 00000003     tun0`,
  `${ZERO} 00 ${ZERO} 00 20010db8000500000000000000000001 00000400 00000003 00000000 00000003    wlan0`,
  `20010db8000500000000000000000020 80 ${ZERO} 00 ${ZERO} 00000000 00000004 00000000 80200001    wlan0`,
  `ff000000000000000000000000000000 08 ${ZERO} 00 ${ZERO} 00000100 00000002 00000000 00000001    wlan0`,
].join('\n');

test('addresses, networks at interfaces and networks behind gateways have names', () => {
  const labels = hostNetworks({ interfaces: INTERFACES, routes: ROUTES, routes6: ROUTES6 });
  const [host, ...networks] = labels;
  expect(host).toEqual({
    name: 'this host',
    cidrs: [
      ...['192.168.1.20/32', '2001:db8:5::20/128', 'fe80::fc:ff:fe00:1/128'],
      ...['172.17.0.1/32', '10.8.0.2/32'],
    ],
  });
  expect(Object.fromEntries(networks.map(({ name, cidrs }) => [name, cidrs]))).toEqual({
    'network of wlan0': ['192.168.1.0/24', '2001:0db8:0005:0000:0000:0000:0000:0000/64'],
    'network of docker0': ['172.17.0.0/16'],
    'network of tun0': ['10.8.0.0/16'],
    'via tun0': ['10.10.0.0/16', 'fd42:0000:0000:0000:0000:0000:0000:0000/16'],
  });
});

test('of a node with many interfaces only the addresses have names', () => {
  const routes = Array.from(
    { length: 65 },
    (_, index) => `veth${index}\t00${hex(index)}000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0`,
  ).join('\n');
  const facts = { interfaces: INTERFACES, routes6: '' };
  expect(hostNetworks({ ...facts, routes }).map(({ name }) => name)).toEqual(['this host']);
  const fewer = routes.split('\n').slice(1).join('\n');
  expect(hostNetworks({ ...facts, routes: fewer })).toHaveLength(65);
});

test.each(['', 'nothing\there', `${ZERO} xx`, '\0'.repeat(99)])('%j has no routes', (text) => {
  const labels = hostNetworks({ interfaces: {}, routes: text, routes6: text });
  expect(labels).toEqual([{ name: 'this host', cidrs: [] }]);
});

function hex(number: number): string {
  return number.toString(16).padStart(2, '0').toUpperCase();
}
