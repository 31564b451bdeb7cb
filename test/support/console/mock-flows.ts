import type { FlowRow } from '../../../src/query/ast.ts';

const HOSTS = [
  '192.168.1.20',
  '192.168.1.35',
  '10.0.4.17',
  '10.0.4.9',
  '172.17.0.2',
  '2001:db8:12::a',
  '2001:db8:12::1f',
];
const SERVICES: readonly (readonly [string, number, number, number])[] = [
  ['93.184.216.34', 6, 443, 9],
  ['151.101.1.140', 6, 443, 6],
  ['192.168.1.1', 17, 53, 3],
  ['10.0.4.50', 6, 5432, 4],
  ['10.0.4.51', 6, 6379, 2],
  ['192.168.1.9', 6, 22, 1],
  ['2606:4700::6810:84e5', 17, 443, 5],
  ['10.0.4.60', 6, 9092, 3],
  ['192.168.1.1', 1, 0, 1],
];

/** A flow that ends at about this time, of a small network with a few services. */
export function makeFlow(random: () => number, atMs: number): FlowRow {
  const pick = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(random() ** 1.6 * items.length)]!;
  const client = pick(HOSTS);
  const [server, proto, port, weight] = pick(SERVICES);
  const outward = random() < 0.5;
  const packets = 1 + Math.floor(random() ** 3 * 40 * weight);
  const endMs = atMs - Math.floor(random() * 900);
  const clientPort = proto === 1 ? 0 : 32_768 + Math.floor(random() * 28_000);
  const [from, fromPort, to, toPort] = outward
    ? [client, clientPort, server, port]
    : [server, port, client, clientPort];
  return {
    TimeFlowStartMs: endMs - Math.floor(random() * 5000),
    TimeFlowEndMs: endMs,
    TimeReceived: Math.ceil(endMs / 1000),
    SrcAddr: from,
    DstAddr: to,
    SrcPort: fromPort,
    DstPort: toPort,
    Proto: proto,
    Dscp: random() < 0.1 ? 46 : 0,
    SrcMac: '02:42:ac:11:00:02',
    DstMac: '02:42:ac:11:00:01',
    Etype: from.includes(':') ? 0x86dd : 0x0800,
    Bytes: packets * (80 + Math.floor(random() * 1300)),
    Packets: packets,
    FlowDirection: outward ? 1 : 0,
    Interfaces: [pick(['eth0', 'wlan0', 'docker0'])],
    IfDirections: [outward ? 1 : 0],
    AgentIP: '192.168.1.20',
    ...(proto === 6
      ? { Flags: ['SYN', 'ACK', 'FIN'], TimeFlowRttNs: Math.floor(random() * 4e7), ...tcpOf(from) }
      : {}),
    ...PROCESSES[port],
    ...{ ...namesOf('Src', from), ...namesOf('Dst', to) },
    ...(server.startsWith('10.') ? TUNNEL : {}),
    ...(proto === 1 ? { IcmpType: 8, IcmpCode: 0 } : {}),
    ...(port === 53
      ? { DnsId: 4711, DnsLatencyMs: Math.floor(random() * 60), DnsFlagsResponseCode: 'NoError' }
      : {}),
  };
}

/** Counters derived from the address, so that other fields of the flows stay as they are. */
function tcpOf(address: string): FlowRow {
  const last = address.charCodeAt(address.length - 1);
  return {
    TcpHandshakeNs: last * 3e5,
    ...(last % 2 === 0 ? { TcpRetransmissions: last % 7 } : {}),
    ...(last % 3 === 0 ? { TcpZeroWindows: 1, TcpResets: last % 5 } : {}),
    ...(last % 5 === 0 ? { TcpFailedConnects: 1 } : {}),
  };
}

/** Processes by the port that they serve or connect to. */
const PROCESSES: Readonly<Record<number, FlowRow>> = {
  22: {
    ...{ ProcessId: 812, ProcessName: 'sshd', Cgroup: '/system.slice/ssh.service' },
    Workload: 'ssh.service',
  },
  443: {
    ...{ ProcessId: 4711, ProcessName: 'firefox', Cgroup: '/user.slice/user-1000.slice' },
    Workload: 'app-gnome-firefox.scope',
  },
  5432: {
    ...{ ProcessId: 950, ProcessName: 'postgres', ContainerId: '4c01db0b339c'.padEnd(64, 'a7') },
    ...{ ContainerName: 'shop-db', Workload: 'shop-db' },
    Cgroup: `/system.slice/docker-${'4c01db0b339c'.padEnd(64, 'a7')}.scope`,
  },
};

const TUNNEL: FlowRow = {
  TunnelType: 'vxlan',
  TunnelId: 42,
  TunnelSrcAddr: '192.168.1.20',
  TunnelDstAddr: '192.168.1.35',
};

/** Countries and systems of the servers outside, and networks of all others. */
function namesOf(side: 'Src' | 'Dst', address: string): FlowRow {
  const [country, number, organization] = SYSTEMS[address] ?? [];
  if (country === undefined || number === undefined || organization === undefined) {
    return { [`${side}SubnetLabel`]: address === '192.168.1.20' ? 'this host' : 'private' };
  }
  return {
    ...{ [`${side}SubnetLabel`]: 'internet', [`${side}Location_CountryLongName`]: country },
    ...{ [`${side}AS_Number`]: number, [`${side}AS_Organization`]: organization },
  };
}

const SYSTEMS: Readonly<Record<string, readonly [string, number, string]>> = {
  '93.184.216.34': ['United States', 15_133, 'Edgecast Inc.'],
  '151.101.1.140': ['United States', 54_113, 'Fastly, Inc.'],
  '2606:4700::6810:84e5': ['Netherlands', 13_335, 'Cloudflare, Inc.'],
};

/** Mulberry32: the same flows in every run. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
