/**
 * The cost of each feature in the kernel, by its own run-time statistics: hooks and probes of a
 * running agent, beside a program that does nothing on the same hook.
 *
 * The targets are half of the cost of the same feature in `netobserv-ebpf-agent`, both above an
 * empty program, whose cost is mostly the statistics' clock itself.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/steps.ts';
import type { BpfObject, LoadOptions, Native } from '../../src/agent/loader/native.ts';
import { EtherType, ethernet, ipv4, Proto, udp, vxlan } from '../e2e/datapath/frames.ts';
import { ip, Lab } from '../support/lab/netns.ts';
import { loadNative, startAgent } from '../support/processes/agent-host.ts';
import { startCapture } from '../support/processes/capture-host.ts';
import type { Figure } from './figure.ts';

const STATS_SWITCH = '/proc/sys/kernel/bpf_stats_enabled';
const SERVER = '10.9.0.2';
const PORT = 5001;
const DNS_PORT = 53;
const VXLAN_PORT = 4789;
/** Offset in the UDP header. */
const UDP_LENGTH_AT = 4;
const TCP_BYTES = 300_000_000;
const UDP_PACKETS = 200_000;
const DNS_PACKETS = 50_000;

const ACCEPT_ALL = JSON.stringify([{ ip_cidr: '0.0.0.0/0', action: 'Accept' }]);
/** A network without any address of this bench. */
const ACCEPT_OTHERS = JSON.stringify([{ ip_cidr: '172.16.0.0/12', action: 'Accept' }]);

/**
 * The features that `netobserv-ebpf-agent` also has per packet; its figure for all covers these.
 */
const COMMON: Readonly<Record<string, string>> = {
  ENABLE_RTT: 'true',
  ENABLE_PKT_DROPS: 'true',
  ENABLE_DNS_TRACKING: 'true',
  ENABLE_TLS_TRACKING: 'true',
  QUIC_TRACKING_MODE: '1',
  ENABLE_PKT_TRANSLATION: 'true',
  FLOW_FILTER_RULES: ACCEPT_ALL,
};

/** Every feature that needs only the kernel and OpenSSL's library, and a filter rule. */
export const EVERYTHING: Readonly<Record<string, string>> = {
  ...COMMON,
  ENABLE_TCP_HEALTH: 'true',
  ENABLE_PROCESSES: 'true',
  ENABLE_OPENSSL_TRACKING: 'true',
  TUNNEL_INNER_FLOWS: 'true',
};

/** Programs of these features besides the hooks. */
const PROBES = [
  ...['rtt_tcp_probe', 'drops_kfree_skb', 'process_sent', 'process_received', 'process_called'],
  ...['tcp_sent_again', 'tcp_accepted_again', 'tcp_connected', 'openssl_sent', 'openssl_received'],
];

interface Bed {
  readonly lab: Lab;
  readonly client: string;
  readonly server: string;
  readonly near: string;
  readonly far: string;
}

interface Case {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly traffic: (bed: Bed) => Promise<unknown>;
  /** The programs whose nanoseconds are added up, per run of `per`. */
  readonly programs: readonly string[];
  readonly per: string;
  readonly maxNs?: number;
  /** Source of the target: the figure of `netobserv-ebpf-agent`. */
  readonly note?: string;
}

const tcp = ({ lab, client, server }: Bed) =>
  lab.tcp(client, server, { address: SERVER, port: PORT, sendBytes: TCP_BYTES, replyBytes: 1 });
const udpTo = (port: number, count: number) => (bed: Bed) =>
  bed.lab.udp(bed.client, bed.server, {
    address: SERVER,
    port,
    count,
    sizeBytes: 64,
    perSecond: 100_000,
  });
/** To an unused address: received and dropped. */
const droppedFrames = ({ lab, client, near }: Bed) =>
  lab.sweep(client, near, { flows: 1, rounds: DNS_PACKETS, perSecond: 100_000 });
/** Frames in VXLAN from one outer flow. */
const tunnelled = ({ lab, client, near }: Bed) => {
  const inner = ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(64)));
  const message = Buffer.concat([udp(0, 40000, VXLAN_PORT), vxlan(7, inner)]);
  message.writeUInt16BE(message.length, UDP_LENGTH_AT);
  const outer = ethernet(EtherType.ipv4, ipv4(Proto.udp, message));
  return lab.frames(client, near, Array<Buffer>(DNS_PACKETS).fill(outer));
};
const INGRESS = 'flow_ingress_l2';
const EGRESS = 'flow_egress_l2';
const CAPTURE = 'capture_ingress_l2';

/** Targets: half of `netobserv-ebpf-agent` above an empty program, 0.4 of it for default flows. */
const CASES: readonly Case[] = [
  hook('default flows, UDP', {}, udpTo(PORT, UDP_PACKETS), INGRESS, 0.4 * 260),
  hook('default flows, TCP with offloads, ingress', {}, tcp, INGRESS, 0.4 * 373),
  hook('default flows, TCP with offloads, egress', {}, tcp, EGRESS, 0.4 * 442),
  hook('a rule that accepts all, UDP', filtered({}), udpTo(PORT, UDP_PACKETS), INGRESS, 0.5 * 330),
  hook('a rule that accepts all, TCP', filtered({}), tcp, INGRESS, 0.5 * 600),
  hook('DNS, queries', { ENABLE_DNS_TRACKING: 'true' }, udpTo(DNS_PORT, DNS_PACKETS), INGRESS, 674),
  hook('QUIC on, UDP to its port', { QUIC_TRACKING_MODE: '1' }, udpTo(443, UDP_PACKETS), INGRESS),
  hook('tunnels on, VXLAN', { TUNNEL_INNER_FLOWS: 'true' }, tunnelled, INGRESS),
  {
    ...hook('capture, a rule that does not match, UDP', {}, udpTo(PORT, UDP_PACKETS), CAPTURE),
    env: { ENABLE_PCA: 'true', FLOW_FILTER_RULES: ACCEPT_OTHERS },
  },
  {
    ...hook('OpenSSL on, TCP without it', { ENABLE_OPENSSL_TRACKING: 'true' }, tcp, INGRESS),
    programs: [INGRESS, 'openssl_sent', 'openssl_received'],
    note: 'what connections pay that do not use it',
  },
  hook('TLS on, TCP with offloads', { ENABLE_TLS_TRACKING: 'true' }, tcp, INGRESS),
  hook('TCP health on, TCP with offloads', { ENABLE_TCP_HEALTH: 'true' }, tcp, INGRESS),
  hook('NAT on, TCP with offloads', { ENABLE_PKT_TRANSLATION: 'true' }, tcp, INGRESS),
  hook('processes on, TCP with offloads', { ENABLE_PROCESSES: 'true' }, tcp, EGRESS),
  {
    ...hook('round-trip times, per segment received', { ENABLE_RTT: 'true' }, tcp, '', 0.5 * 709),
    programs: ['rtt_tcp_probe'],
    per: 'rtt_tcp_probe',
  },
  {
    ...hook(
      'drops, per packet dropped',
      { ENABLE_PKT_DROPS: 'true', PKT_DROPS_OF_OTHERS: 'true' },
      droppedFrames,
      '',
      0.5 * 560,
    ),
    programs: ['drops_kfree_skb'],
    per: 'drops_kfree_skb',
  },
  {
    ...hook('everything that the original has, TCP, all hooks and probes', COMMON, tcp, INGRESS),
    programs: [INGRESS, EGRESS, ...PROBES],
    maxNs: 0.5 * 1390,
  },
  {
    ...hook('everything on, TCP, all hooks and probes', EVERYTHING, tcp, INGRESS, 0.5 * 1390),
    programs: [INGRESS, EGRESS, ...PROBES],
    note: 'per packet at the ingress hook; each program is taken above the empty one',
  },
];

function filtered(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { ...env, FLOW_FILTER_RULES: ACCEPT_ALL };
}

function hook(
  name: string,
  env: Readonly<Record<string, string>>,
  traffic: Case['traffic'],
  program: string,
  maxNs?: number,
): Case {
  const base = { name, env, traffic, programs: [program], per: program };
  return maxNs === undefined ? base : { ...base, maxNs };
}

export async function benchFeatures(): Promise<readonly Figure[]> {
  const statsWere = readFileSync(STATS_SWITCH, 'utf8');
  writeFileSync(STATS_SWITCH, '1');
  try {
    const figures: Figure[] = [];
    for (const one of CASES) figures.push(await measure(one));
    return figures;
  } finally {
    writeFileSync(STATS_SWITCH, statsWere);
  }
}

async function measure(one: Case): Promise<Figure> {
  await using lab = new Lab();
  const client = lab.namespace('client');
  const server = lab.namespace('server');
  const [near, far] = lab.pair(
    { namespace: client, addresses: ['10.9.0.1/24'] },
    { namespace: server, addresses: [`${SERVER}/24`] },
  );
  const bed: Bed = { lab, client, server, near, far };
  const { native, loaded } = watchLoads();
  const watched = one.per === EGRESS ? near : far;
  const env = { INTERFACES: watched, CACHE_MAX_FLOWS: '120000', ...one.env };
  await using _host = await (one.per === CAPTURE ? startCapture : startAgent)(env, { native });
  const floor = native.load(readFileSync(join(ROOT, 'build/bpf/floor.bpf.o')), {
    config: new Uint8Array(0),
    maxEntries: {},
    programs: ['floor_empty'],
  });
  const undo = await attachFloor(
    native,
    floor,
    one.per === EGRESS ? client : server,
    watched,
    one.per,
  );
  try {
    await one.traffic(bed);
    const before = read(native, loaded(), one.programs);
    const floorBefore = native.programStats(floor, 'floor_empty');
    await one.traffic(bed);
    const after = read(native, loaded(), one.programs);
    const floorAfter = native.programStats(floor, 'floor_empty');
    const empty = (floorAfter.ns - floorBefore.ns) / (floorAfter.runs - floorBefore.runs);
    return figureOf(one, before, after, empty);
  } finally {
    await undo();
    native.close(floor);
  }
}

type Stats = Readonly<Record<string, { readonly runs: number; readonly ns: number }>>;

function figureOf(one: Case, before: Stats, after: Stats, empty: number): Figure {
  const packets = after[one.per]!.runs - before[one.per]!.runs;
  const parts = one.programs.map((program) => {
    const runs = after[program]!.runs - before[program]!.runs;
    const ns = after[program]!.ns - before[program]!.ns;
    return { program, ns: ns - runs * empty, runs };
  });
  const total = parts.reduce((sum, part) => sum + part.ns, 0) / packets;
  const shares = parts.map(({ program, ns, runs }) => {
    return `${program} ${(ns / runs).toFixed(0)} × ${(runs / packets).toFixed(2)}`;
  });
  return {
    name: `${one.name}, above the empty program`,
    value: total,
    unit: 'ns/packet',
    note: `${shares.join(', ')}; empty ${empty.toFixed(0)}${one.note ? `; ${one.note}` : ''}`,
    ...(one.maxNs === undefined ? {} : { target: { max: one.maxNs } }),
  };
}

/** Programs that the configuration has not loaded count as 0. */
function read(native: Native, object: BpfObject, programs: readonly string[]): Stats {
  return Object.fromEntries(
    programs.map((program) => {
      try {
        return [program, native.programStats(object, program)];
      } catch {
        return [program, { runs: 0, ns: 0 }];
      }
    }),
  );
}

/** The addon, with the agent's object kept for inspecting its programs. */
function watchLoads(): { readonly native: Native; readonly loaded: () => BpfObject } {
  const native = loadNative();
  let last: BpfObject | undefined;
  const watched: Native = {
    ...native,
    load(object: Uint8Array, options: LoadOptions) {
      const made = native.load(object, options);
      if ([INGRESS, CAPTURE].some((program) => options.programs.includes(program))) last = made;
      return made;
    },
  };
  return {
    native: watched,
    loaded() {
      if (last === undefined) throw new Error('the agent has loaded nothing');
      return last;
    },
  };
}

async function attachFloor(
  native: Native,
  floor: BpfObject,
  namespace: string,
  device: string,
  hookName: string,
): Promise<() => Promise<void>> {
  const [link] = JSON.parse(ip('-n', namespace, '-j', 'link', 'show', 'dev', device)) as [
    { ifindex: number },
  ];
  const netns = native.openNamespace(`/var/run/netns/${namespace}`).fd;
  const id = await native.attach(floor, {
    program: 'floor_empty',
    ifindex: link.ifindex,
    direction: hookName === EGRESS ? 'egress' : 'ingress',
    mode: 'tcx',
    anchor: 'tail',
    netns,
  });
  native.closeFd(netns);
  return () => native.detach(floor, id);
}
