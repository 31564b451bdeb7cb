import type { NetworkInterfaceInfo } from 'node:os';
import { parseCidr } from '../../../base/ip.ts';
import type { SubnetLabel } from './labelled.ts';

/** A host with more interfaces than this is a router or a node: its networks get no names. */
const INTERFACES_MAX = 64;
const NETWORKS_MAX = 1024;
/** Shorter prefixes are halves of the internet, as VPNs route them, not networks. */
const PREFIX_MIN = { v4: 8, v6: 16 } as const;
const PREFIX_MAX = { v4: 32, v6: 128 } as const;

/** Bits of linux/route.h and linux/ipv6_route.h. */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_REJECT = 0x200;
/** Anycast, cached and local routes are for single addresses. */
const RTF_SINGLE = 0x8110_0000;
const LOOPBACK = 'lo';
/** They keep their own names. */
const LINK_LOCAL_OR_MULTICAST = /^(?:fe[89ab]|ff|169\.254\.)/;

/** Facts of the kernel about the networks of a host. */
export interface HostFacts {
  readonly interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>;
  /** Text of /proc/net/route and /proc/net/ipv6_route. */
  readonly routes: string;
  readonly routes6: string;
}

interface Route {
  readonly device: string;
  readonly cidr: string;
  readonly isBehind: boolean;
  readonly metric: number;
}

/**
 * Labels of a host's own networks: `this host` for its addresses, `network of eth0` for what is at
 * an interface, `via tun0` for what is behind a gateway there.
 */
export function hostNetworks({ interfaces, routes, routes6 }: HostFacts): readonly SubnetLabel[] {
  const own = Object.values(interfaces).flatMap((infos = []) => infos);
  const addresses = own.filter(({ internal }) => !internal).map(({ address }) => address);
  const found = [...linesOf(routes).flatMap(routeOf), ...linesOf(routes6).flatMap(route6Of)];
  const named = found.toSorted((a, b) => a.metric - b.metric).slice(0, NETWORKS_MAX);
  const devices = new Set(named.map(({ device }) => device));
  const groups = Map.groupBy(devices.size > INTERFACES_MAX ? [] : named, (route) =>
    route.isBehind ? `via ${route.device}` : `network of ${route.device}`,
  );
  return [
    { name: 'this host', cidrs: addresses.flatMap(hostCidr) },
    ...[...groups].map(([name, members]) => ({ name, cidrs: members.map(({ cidr }) => cidr) })),
  ];
}

function linesOf(text: string): readonly (readonly string[])[] {
  return text.split('\n').map((line) => line.trim().split(/\s+/));
}

function hostCidr(address: string): readonly string[] {
  // Node adds the zone to link-local addresses: fe80::1%eth0.
  const bare = address.split('%', 1)[0]!;
  const cidr = `${bare}/${bare.includes(':') ? PREFIX_MAX.v6 : PREFIX_MAX.v4}`;
  return parseCidr(cidr) === undefined ? [] : [cidr];
}

/** A line of /proc/net/route: numbers in the host's order, which is little-endian. */
function routeOf(parts: readonly string[]): readonly Route[] {
  const [device = '', destination = '', , flagText = '', , , metric = '', mask = ''] = parts;
  if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return [];
  const bytes = Buffer.from(destination, 'hex').reverse();
  const prefix = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
  const flags = Number.parseInt(flagText, 16);
  return usable({
    ...{ device, flags, prefix, family: 'v4', network: bytes.join('.') },
    metric: Number(metric),
  });
}

/** A line of /proc/net/ipv6_route. */
function route6Of(parts: readonly string[]): readonly Route[] {
  const [destination = '', prefixText = '', , , , metric = '', , , flagText = '', device = ''] =
    parts;
  if (!/^[0-9a-f]{32}$/.test(destination)) return [];
  const network = destination.match(/.{4}/g)!.join(':');
  const flags = Number.parseInt(flagText, 16);
  return usable({
    ...{ device, flags, prefix: Number.parseInt(prefixText, 16), family: 'v6', network },
    metric: Number.parseInt(metric, 16),
  });
}

interface Entry {
  readonly device: string;
  readonly flags: number;
  readonly prefix: number;
  readonly family: 'v4' | 'v6';
  readonly network: string;
  readonly metric: number;
}

function usable({ device, flags, prefix, family, network, metric }: Entry): readonly Route[] {
  const isUp = (flags & RTF_UP) !== 0 && (flags & (RTF_REJECT | RTF_SINGLE)) === 0;
  const isNetwork = prefix >= PREFIX_MIN[family] && prefix < PREFIX_MAX[family];
  if (!isUp || !isNetwork || device === LOOPBACK) return [];
  if (LINK_LOCAL_OR_MULTICAST.test(network)) return [];
  return [{ device, cidr: `${network}/${prefix}`, isBehind: (flags & RTF_GATEWAY) !== 0, metric }];
}
