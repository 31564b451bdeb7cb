/**
 * The cost of a packet at our hooks, by the kernel's own run-time statistics, beside programs that
 * do nothing and programs that only count packets: all three are attached to the same hook and see
 * the same packets.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/steps.ts';
import { flowKey, flowMetrics } from '../../src/agent/drain/layout.gen.ts';
import type { BpfObject, SharedBytes } from '../../src/agent/loader/native.ts';
import { flowMapEntries } from '../../src/agent/loader/object.ts';
import {
  type DatapathOptions,
  loadDatapath,
  native,
  readStats,
  shared,
} from '../e2e/datapath/datapath.ts';
import { ip, Lab } from '../support/lab/netns.ts';
import type { Figure } from './figure.ts';

const MANY_FLOWS = 100_000;
const RATE_PER_SECOND = 100_000;
const UDP_PACKETS = 200_000;
const TCP_BYTES = 300_000_000;
const STATS_SWITCH = '/proc/sys/kernel/bpf_stats_enabled';
/** Most flows per batch call: 32768 flows are 4.7 MB of buffers. */
const FLOWS_PER_CALL = 32_768;
/**
 * CACHE_MAX_FLOWS that new flows fill many times over; `netobserv-ebpf-agent` is measured with the
 * smaller one.
 */
const SMALL_MAPS = [
  { wanted: 10_000, flows: 300_000 },
  { wanted: 1000, flows: 100_000 },
] as const;

type Direction = 'ingress' | 'egress';

export interface Bed {
  readonly lab: Lab;
  readonly datapath: BpfObject;
  readonly floor: BpfObject;
  readonly client: { readonly namespace: string; readonly device: string };
  readonly server: { readonly namespace: string; readonly device: string };
}

/** Nanoseconds per run of our program and of the two floor programs, during the same traffic. */
export interface Cost {
  readonly empty: number;
  readonly count: number;
  readonly flow: number;
}

async function attach(
  bed: Bed,
  object: BpfObject,
  program: string,
  direction: Direction,
): Promise<() => Promise<void>> {
  const { namespace, device } = direction === 'egress' ? bed.client : bed.server;
  const [link] = JSON.parse(ip('-n', namespace, '-j', 'link', 'show', 'dev', device)) as [
    { ifindex: number },
  ];
  const netns = native.openNamespace(`/var/run/netns/${namespace}`).fd;
  const id = await native.attach(object, {
    program,
    ifindex: link.ifindex,
    direction,
    mode: 'tcx',
    anchor: 'tail',
    netns,
  });
  native.closeFd(netns);
  return () => native.detach(object, id);
}

/** Attaches the three programs to the hooks of one direction while `traffic` runs. */
export async function measure(
  bed: Bed,
  direction: Direction,
  traffic: () => Promise<unknown>,
): Promise<Cost> {
  const flow = `flow_${direction}_l2`;
  const programs = [
    [bed.floor, 'floor_empty'],
    [bed.floor, 'floor_count'],
    [bed.datapath, flow],
  ] as const;
  const detach: (() => Promise<void>)[] = [];
  // Sequential: their order is that of the hooks.
  for (const [object, name] of programs) detach.push(await attach(bed, object, name, direction));
  const before = programs.map(([object, name]) => native.programStats(object, name));
  await traffic();
  const [empty, count, ours] = programs.map(([object, name], index) => {
    const { runs, ns } = native.programStats(object, name);
    return (ns - before[index]!.ns) / (runs - before[index]!.runs);
  });
  for (const undo of detach) await undo();
  return { empty: empty!, count: count!, flow: ours! };
}

export function costFigures(what: string, cost: Cost, maxNs?: number): Figure[] {
  const round = (ns: number): string => ns.toFixed(0);
  const figure: Figure = {
    name: `hook, ${what}, above the empty program`,
    value: cost.flow - cost.empty,
    unit: 'ns/packet',
    note: `ns a run: ${round(cost.empty)} empty, ${round(cost.count)} counting, ${round(cost.flow)} ours`,
  };
  return [maxNs === undefined ? figure : { ...figure, target: { max: maxNs } }];
}

export function bulk({ lab, client, server }: Bed): Promise<void> {
  const stream = { address: '10.9.0.2', port: 5001, sendBytes: TCP_BYTES, replyBytes: 1 };
  return lab.tcp(client.namespace, server.namespace, stream);
}

async function measureHooks(bed: Bed): Promise<Figure[]> {
  const { lab, client } = bed;
  const sweep = (flows: number, rounds: number): Promise<number> =>
    lab.sweep(client.namespace, client.device, { flows, rounds, perSecond: RATE_PER_SECOND });
  const tcp = (): Promise<void> => bulk(bed);

  const figures: Figure[] = [];
  for (const direction of ['ingress', 'egress'] as const) {
    // The first packet of the flow, so that all measured packets find the flow.
    await measure(bed, direction, () => sweep(1, 10));
    const udp = await measure(bed, direction, () => sweep(1, UDP_PACKETS));
    figures.push(...costFigures(`${direction}, existing UDP flow`, udp, 110));
    const segments = await measure(bed, direction, tcp);
    figures.push(...costFigures(`${direction}, TCP stream with offloads`, segments));
  }
  await drainAll(bed.datapath, makeBuffers());
  const insert = await measure(bed, 'ingress', () => sweep(MANY_FLOWS, 1));
  figures.push(...costFigures('ingress, new flow, 100k flows', insert, 500));
  const hit = await measure(bed, 'ingress', () => sweep(MANY_FLOWS, 2));
  figures.push(...costFigures('ingress, existing flow among 100k', hit));
  return figures;
}

/** Rules by kind, with the maximum cost of a packet with them. */
const RULES: readonly (readonly [what: string, rules: string, maxNs?: number])[] = [
  ['one rule that accepts all', 'action=Accept', 165],
  [
    '64 rules, of which the last matches',
    [
      ...Array.from({ length: 63 }, (_, at) => `action=Reject ip_cidr=172.16.${at}.0/24 port=22`),
      'action=Accept',
    ].join(';'),
  ],
];

async function measureFilters(bed: Bed): Promise<Figure[]> {
  const { lab, client } = bed;
  const figures: Figure[] = [];
  for (const [what, rules, maxNs] of RULES) {
    const datapath = loadDatapath({ rules });
    const filtered = { ...bed, datapath };
    const sweep = (rounds: number): Promise<number> =>
      lab.sweep(client.namespace, client.device, {
        flows: 1,
        rounds,
        perSecond: RATE_PER_SECOND,
      });
    try {
      await measure(filtered, 'ingress', () => sweep(10));
      const cost = await measure(filtered, 'ingress', () => sweep(UDP_PACKETS));
      figures.push(...costFigures(`ingress, existing UDP flow, ${what}`, cost, maxNs));
    } finally {
      native.close(datapath);
    }
  }
  return figures;
}

interface Buffers {
  readonly keys: SharedBytes;
  readonly values: SharedBytes;
}

function makeBuffers(): Buffers {
  const keys = shared(FLOWS_PER_CALL * flowKey.sizeBytes);
  const values = shared(FLOWS_PER_CALL * flowMetrics.sizeBytes);
  // Touched once, like the buffers that the agent keeps from drain to drain.
  keys.fill(1);
  values.fill(1);
  return { keys, values };
}

/** Swaps and empties; returns the packets of each flow and the number of calls. */
async function drainAll(
  datapath: BpfObject,
  { keys, values }: Buffers,
): Promise<{ flows: number; packets: number; calls: number; swapMs: number }> {
  const startMs = performance.now();
  const still = (await native.swap(datapath)) === 0 ? 'flows_a' : 'flows_b';
  const swapMs = performance.now() - startMs;
  let flows = 0;
  let packets = 0;
  const view = new DataView(values.buffer);
  // Each call is one system call; the last one, which finds the map empty, may be two.
  for (let calls = 2; ; calls++) {
    const count = await native.drain(datapath, still, keys, values);
    if (count === 0) return { flows, packets, calls, swapMs };
    flows += count;
    for (let row = 0; row < count; row++) {
      packets += view.getUint32(row * flowMetrics.sizeBytes + flowMetrics.packets, true);
    }
  }
}

/** Drains the flows that `measureHooks` has left in the map. */
async function measureDrain(bed: Bed): Promise<Figure[]> {
  const buffers = makeBuffers();
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const { flows, calls, swapMs } = await drainAll(bed.datapath, buffers);
  const drainMs = performance.now() - startMs - swapMs;
  const used = process.cpuUsage(cpu);
  if (flows < MANY_FLOWS) throw new Error(`only ${flows} flows in the map`);
  const scale = MANY_FLOWS / flows;
  return [
    { name: 'swap of the flow maps', value: swapMs, unit: 'ms', note: 'one grace period' },
    { name: 'drain of 100k flows, elapsed', value: drainMs * scale, unit: 'ms' },
    {
      name: 'drain of 100k flows, CPU, into the addon’s buffers',
      value: ((used.user + used.system) / 1e6) * scale,
      unit: 's',
      target: { max: 0.1 },
    },
    { name: 'drain, system calls', value: calls / flows, unit: '1/flow', target: { max: 0.02 } },
  ];
}

/** 100k new flows a second into a map that is drained whenever the kernel reports it filling up. */
async function measureSmallMap(
  bed: Bed,
  { wanted, flows }: (typeof SMALL_MAPS)[number],
): Promise<Figure[]> {
  const entries = flowMapEntries(wanted);
  const datapath = loadDatapath({ entries, wakeEntries: entries / 4 });
  const small = { ...bed, datapath };
  let recorded = 0;
  let draining = Promise.resolve();
  const buffers = makeBuffers();
  const take = async (): Promise<void> => {
    recorded += (await drainAll(datapath, buffers)).packets;
  };
  const watcher = native.watch(() => {
    draining = draining.then(take);
  });
  watcher.addRing(datapath, 'wake');
  const detach = await attach(small, datapath, 'flow_ingress_l2', 'ingress');
  const traffic = { flows, perSecond: RATE_PER_SECOND };
  const sent = await bed.lab.sweep(bed.client.namespace, bed.client.device, traffic);
  await detach();
  watcher.close();
  await draining;
  await take();
  const stats = readStats(datapath);
  native.close(datapath);
  const accounted = recorded + stats.mapFull.packets + stats.mapError.packets;
  const name = `100k new flows/s, CACHE_MAX_FLOWS=${wanted}`;
  return [
    { name: `${name}, recorded`, value: (100 * recorded) / sent, unit: '%', target: { min: 99 } },
    {
      name: `${name}, accounted for`,
      value: (100 * accounted) / sent,
      unit: '%',
      target: { min: 100 },
    },
  ];
}

/** Two namespaces, a wire between them, and the datapath with `options`; closed at the end. */
export async function withBed<Result>(
  options: DatapathOptions,
  work: (bed: Bed) => Promise<Result>,
): Promise<Result> {
  const lab = new Lab();
  const datapath = loadDatapath(options);
  const floor = native.load(readFileSync(join(ROOT, 'build/bpf/floor.bpf.o')), {
    config: new Uint8Array(0),
    maxEntries: {},
    programs: ['floor_empty', 'floor_count'],
  });
  const statsWere = readFileSync(STATS_SWITCH, 'utf8');
  try {
    writeFileSync(STATS_SWITCH, '1');
    const namespaces = [lab.namespace('client'), lab.namespace('server')] as const;
    const [near, far] = lab.pair(
      { namespace: namespaces[0], addresses: ['10.9.0.1/24'] },
      { namespace: namespaces[1], addresses: ['10.9.0.2/24'] },
    );
    return await work({
      lab,
      datapath,
      floor,
      client: { namespace: namespaces[0], device: near },
      server: { namespace: namespaces[1], device: far },
    });
  } finally {
    writeFileSync(STATS_SWITCH, statsWere);
    native.close(datapath);
    native.close(floor);
    await lab[Symbol.asyncDispose]();
  }
}

export function benchDatapath(): Promise<readonly Figure[]> {
  return withBed({ entries: 120_000 }, async (bed) => [
    ...(await measureHooks(bed)),
    ...(await measureFilters(bed)),
    ...(await measureDrain(bed)),
    ...(await measureSmallMap(bed, SMALL_MAPS[0])),
    ...(await measureSmallMap(bed, SMALL_MAPS[1])),
  ]);
}
