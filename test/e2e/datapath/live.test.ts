/** Real packets between network namespaces, compared with the kernel's own counters. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ifindexSeen } from '../../../src/agent/drain/layout.gen.ts';
import type { AttachOptions, BpfObject } from '../../../src/agent/loader/native.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { requireRoot } from '../../support/require.ts';
import {
  type Counters,
  type Flow,
  loadDatapath,
  native,
  readStats,
  setFacts,
  takeFlows,
  totalOf,
} from './datapath.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 5001;
/** Ethernet, IPv4 and UDP headers. */
const UDP_OVERHEAD_BYTES = 42;

const difference = (after: Counters, before: Counters): Counters => ({
  packets: after.packets - before.packets,
  bytes: after.bytes - before.bytes,
});
const protocolOf = (flow: Flow): number => Number(flow.key.split(',')[4]);
const targetPortOf = (flow: Flow): number => Number(flow.key.split(',')[3]);
const toServer = (flows: readonly Flow[]): Flow[] =>
  flows.filter((flow) => targetPortOf(flow) === PORT);

function interfacesOf(flow: Flow): number {
  const names = flow.observed.map(
    (each) => `${each.netns} ${(each.ifindexSeen & ifindexSeen.ifindexMask) >>> 0}`,
  );
  return new Set(names).size;
}

interface End {
  readonly namespace: string;
  readonly device: string;
  readonly netns: number;
}

describe.skipIf(requireRoot())('live traffic', () => {
  let lab: Lab;
  let datapath: BpfObject;
  let cleanups: (() => void)[];
  let client: End;
  let server: End;

  beforeEach(() => {
    lab = new Lab();
    cleanups = [];
    datapath = load();
    const namespaces = [lab.namespace('client'), lab.namespace('server')] as const;
    [client, server] = join(namespaces[0], namespaces[1], `${CLIENT}/24`, `${SERVER}/24`);
  });
  afterEach(async () => {
    for (const cleanup of cleanups) cleanup();
    await lab[Symbol.asyncDispose]();
  });

  function load(): BpfObject {
    const object = loadDatapath({ entries: 4096 });
    cleanups.push(() => native.close(object));
    return object;
  }

  function end(namespace: string, device: string): End {
    // Neighbour discovery would add packets at random times.
    lab.inside(namespace, 'sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`);
    const netns = native.openNamespace(`/var/run/netns/${namespace}`).fd;
    cleanups.push(() => native.closeFd(netns));
    return { namespace, device, netns };
  }

  function join(left: string, right: string, near: string, far: string): [End, End] {
    const [a, b] = lab.pair(
      { namespace: left, addresses: [near] },
      { namespace: right, addresses: [far] },
    );
    return [end(left, a), end(right, b)];
  }

  function ifindexOf(at: End): number {
    const text = ip('-n', at.namespace, '-j', 'link', 'show', 'dev', at.device);
    const [link] = JSON.parse(text) as [{ ifindex: number }];
    return link.ifindex;
  }

  function hook(
    at: End,
    options: Partial<AttachOptions> = {},
    object = datapath,
  ): Promise<number[]> {
    const hooks = (['ingress', 'egress'] as const).map((direction) =>
      native.attach(object, {
        program: `flow_${direction}_l2`,
        ifindex: ifindexOf(at),
        direction,
        mode: 'tcx',
        anchor: 'none',
        netns: at.netns,
        ...options,
      }),
    );
    return Promise.all(hooks);
  }

  /** The interface's totals of both directions since it was made. */
  function countersOf(at: End): Counters {
    const { rxPackets, rxBytes, txPackets, txBytes } = lab.counters(at.namespace, at.device);
    return { packets: rxPackets + txPackets, bytes: rxBytes + txBytes };
  }

  function sendUdp(count: number, sizeBytes = 64): Promise<number> {
    const traffic = { address: SERVER, port: PORT, count, sizeBytes };
    return lab.udp(client.namespace, server.namespace, traffic);
  }

  function sendTcp(sendBytes: number): Promise<void> {
    const exchange = { address: SERVER, port: PORT, sendBytes, replyBytes: 1000 };
    return lab.tcp(client.namespace, server.namespace, exchange);
  }

  test.each(['tcx', 'tc'] as const)(
    '%s: a packet at two namespaces’ hooks counts once',
    async (mode) => {
      // Equal numbers in different namespaces: the number alone does not distinguish them.
      expect(ifindexOf(client)).toBe(ifindexOf(server));
      const before = countersOf(client);
      await hook(client, { mode });
      await hook(server, { mode });

      await sendUdp(1000);

      const flows = await takeFlows(datapath);
      const seen = totalOf([...flows, readStats(datapath).notIp]);
      expect(seen).toEqual(difference(countersOf(client), before));
      const [flow, ...others] = toServer(flows);
      expect(others).toEqual([]);
      expect(flow).toMatchObject({
        packets: 1000,
        bytes: 1000 * (64 + UDP_OVERHEAD_BYTES),
        firstDirection: 1,
      });
      expect(interfacesOf(flow!)).toBe(2);
    },
  );

  test('a routed packet passes six hooks and counts once', async () => {
    const router = lab.namespace('router');
    const other = lab.namespace('other');
    const [near, left] = join(client.namespace, router, '10.9.1.1/24', '10.9.1.2/24');
    const [right, far] = join(router, other, '10.9.2.2/24', '10.9.2.1/24');
    lab.inside(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    ip('-n', client.namespace, 'route', 'add', '10.9.2.0/24', 'via', '10.9.1.2');
    ip('-n', other, 'route', 'add', 'default', 'via', '10.9.2.2');
    for (const at of [near, left, right, far]) await hook(at);

    await lab.udp(client.namespace, other, {
      address: '10.9.2.1',
      port: PORT,
      count: 500,
      sizeBytes: 64,
    });

    const [flow] = toServer(await takeFlows(datapath));
    expect(flow).toMatchObject({ packets: 500, bytes: 500 * (64 + UDP_OVERHEAD_BYTES) });
    expect(interfacesOf(flow!)).toBe(4);
  });

  /** Segments that the namespace's TCP has sent; retransmissions are counted separately. */
  function segmentsOf(namespace: string): number {
    return lab.tcpSegments(namespace);
  }

  /** The interface's output from now on, as a queue sees it: in segments, with their headers. */
  function watchQueue(at: End): () => Counters {
    lab.inside(at.namespace, 'tc', 'qdisc', 'add', 'dev', at.device, 'root', 'pfifo');
    const before = lab.queueCounters(at.namespace, at.device);
    return () => difference(lab.queueCounters(at.namespace, at.device), before);
  }

  test('with offloads on, packets are segments and bytes are those on the wire', async () => {
    // Resolves addresses before anything is counted.
    await sendUdp(1);
    await hook(client);
    await hook(server);
    const queue = watchQueue(client);
    const segments = segmentsOf(client.namespace);
    const link = lab.counters(client.namespace, client.device);

    await sendTcp(20_000_000);

    const [flow, ...others] = toServer(await takeFlows(datapath));
    expect(others).toEqual([]);
    expect(flow!.packets).toBe(segmentsOf(client.namespace) - segments);
    expect({ packets: flow!.packets, bytes: flow!.bytes }).toEqual(queue());
    // The interface counts super-packets: the kernel did offload.
    const { txPackets } = lab.counters(client.namespace, client.device);
    expect(txPackets - link.txPackets).toBeLessThan(flow!.packets / 4);
  });

  test('with offloads on, a tunnel’s segments carry all of its headers', async () => {
    for (const [at, own, other, inner] of [
      [client, CLIENT, SERVER, '10.8.0.1/24'],
      [server, SERVER, CLIENT, '10.8.0.2/24'],
    ] as const) {
      const tunnel = ['vxlan', 'id', '7', 'local', own, 'remote', other, 'dstport', '4789'];
      ip('-n', at.namespace, 'link', 'add', 'tunnel', 'type', ...tunnel, 'dev', at.device);
      lab.inside(at.namespace, 'sysctl', '-qw', 'net.ipv6.conf.tunnel.disable_ipv6=1');
      ip('-n', at.namespace, 'addr', 'add', inner, 'dev', 'tunnel');
      ip('-n', at.namespace, 'link', 'set', 'tunnel', 'up');
    }
    // Resolves addresses before anything is counted.
    const exchange = { address: '10.8.0.2', port: PORT, replyBytes: 1 };
    await lab.tcp(client.namespace, server.namespace, { ...exchange, sendBytes: 1 });
    const before = segmentsOf(client.namespace);
    await hook(client);
    const queue = watchQueue(client);

    await lab.tcp(client.namespace, server.namespace, { ...exchange, sendBytes: 5_000_000 });

    const segments = segmentsOf(client.namespace) - before;
    const outer = (await takeFlows(datapath)).filter(
      (flow) => targetPortOf(flow) === 4789 && flow.firstDirection === 1,
    );
    expect(totalOf(outer).packets).toBe(segments);
    expect(totalOf(outer)).toEqual(queue());
  });

  test('with offloads off, sums equal the interface’s own counters', async () => {
    for (const at of [client, server]) lab.withoutOffloads(at.namespace, at.device);
    const before = countersOf(client);
    await hook(client);

    await sendTcp(2_000_000);

    const flows = await takeFlows(datapath);
    const seen = totalOf([...flows, readStats(datapath).notIp]);
    expect(seen).toEqual(difference(countersOf(client), before));
  });

  test('swapping and draining under load loses nothing', async () => {
    const before = countersOf(client);
    await hook(client);
    await hook(server);
    let isRunning = true;
    const traffic = lab
      .sweep(client.namespace, client.device, { flows: 1000, perSecond: 50_000, rounds: 60 })
      .finally(() => {
        isRunning = false;
      });

    const flows: Flow[] = [];
    let swaps = 0;
    while (isRunning) {
      flows.push(...(await takeFlows(datapath)));
      swaps++;
    }
    const sent = await traffic;
    flows.push(...(await takeFlows(datapath)));

    const after = countersOf(client);
    const stats = Object.values(readStats(datapath));
    expect(swaps).toBeGreaterThan(10);
    expect(totalOf(flows.filter((flow) => protocolOf(flow) === 17)).packets).toBe(sent);
    expect(totalOf([...flows, ...stats])).toEqual(difference(after, before));
  });

  test('a flow spread over many interfaces is counted in full', async () => {
    const devices = [client];
    for (let pair = 1; pair < 8; pair++) {
      const subnet = `10.9.${pair}`;
      devices.push(join(client.namespace, server.namespace, `${subnet}.1/24`, `${subnet}.2/24`)[0]);
    }
    for (const at of devices) {
      setFacts(datapath, { bornEgress: true }, ifindexOf(at), `/var/run/netns/${at.namespace}`);
      await hook(at);
    }

    // The same frames leave by each of the eight.
    for (const at of devices) {
      await lab.sweep(at.namespace, at.device, { flows: 1, perSecond: 1000, rounds: 3 });
    }

    const [flow] = (await takeFlows(datapath)).filter((each) => protocolOf(each) === 17);
    expect(flow?.packets).toBe(24);
    expect(interfacesOf(flow!)).toBe(6);
    expect(readStats(datapath).interfacesMissed.packets).toBe(6);
  });

  test('a device without a link layer', async () => {
    const tun = 'nbt-tun';
    ip('-n', client.namespace, 'tuntap', 'add', 'dev', tun, 'mode', 'tun');
    ip('-n', client.namespace, 'addr', 'add', '10.7.0.1/24', 'dev', tun);
    ip('-n', client.namespace, 'link', 'set', tun, 'up');
    const at = end(client.namespace, tun);
    await native.attach(datapath, {
      program: 'flow_egress_l3',
      ifindex: ifindexOf(at),
      direction: 'egress',
      mode: 'tcx',
      anchor: 'none',
      netns: at.netns,
    });

    const traffic = { address: '10.7.0.2', port: PORT, count: 10, sizeBytes: 64 };
    await lab.udp(client.namespace, server.namespace, traffic);

    expect(toServer(await takeFlows(datapath))).toMatchObject([
      { packets: 10, bytes: 10 * (64 + 28), macs: '0'.repeat(24) },
    ]);
  });

  test('fragments of real datagrams belong to the datagram’s flow', async () => {
    await hook(client);
    await hook(server);

    await sendUdp(20, 6000);

    // 6008 bytes in pieces of at most 1480: five packets each.
    const udp = (await takeFlows(datapath)).filter((flow) => protocolOf(flow) === 17);
    expect(udp).toMatchObject([{ packets: 100, bytes: 20 * (6008 + 5 * 34) }]);
  });

  test('what is detached counts no more, and other programs stay', async () => {
    const other = load();
    await hook(client, { anchor: 'head' }, other);
    for (const id of await hook(client, { anchor: 'tail' })) await native.detach(datapath, id);

    await sendUdp(10);

    expect(toServer(await takeFlows(datapath))).toEqual([]);
    expect(toServer(await takeFlows(other))).toMatchObject([{ packets: 10 }]);
  });

  const filtersOf = (at: End, side = 'egress'): string =>
    lab.inside(at.namespace, 'tc', 'filter', 'show', 'dev', at.device, side);
  const qdiscsOf = (at: End): string =>
    lab.inside(at.namespace, 'tc', 'qdisc', 'show', 'dev', at.device);

  test('tc: someone else’s qdisc and filters are kept', async () => {
    const tc = (...args: string[]): string => lab.inside(client.namespace, 'tc', ...args);
    tc('qdisc', 'add', 'dev', client.device, 'clsact');
    const match = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0', 'classid', '1:1'];
    tc('filter', 'add', 'dev', client.device, 'egress', 'prio', '7', ...match);
    const theirs = filtersOf(client);
    const ids = await hook(client, { mode: 'tc' });
    expect(filtersOf(client)).toContain('netobserv');

    await sendUdp(10);
    for (const id of ids) await native.detach(datapath, id);

    expect(toServer(await takeFlows(datapath))).toMatchObject([{ packets: 10 }]);
    expect(filtersOf(client)).toBe(theirs);
    expect(qdiscsOf(client)).toContain('clsact');
  });

  test('tc: several captures have filters beside each other, and each removes its own', async () => {
    await hook(client, { mode: 'tc', owner: 'former' }, load());
    const ids = await hook(client, { mode: 'tc', owner: 'ours' });
    expect(filtersOf(client).match(/ handle 0x6e6f6[23] /g)).toHaveLength(2);
    for (const id of ids) await native.detach(datapath, id);
    expect(filtersOf(client)).toMatch(/ former(:q)? /);
    expect(filtersOf(client)).not.toContain(' ours');
  });

  test('tc: our own qdisc goes with our last filter', async () => {
    const [first, second] = await hook(client, { mode: 'tc' });
    await native.detach(datapath, first!);
    expect(qdiscsOf(client)).toContain('clsact');
    await native.detach(datapath, second!);
    expect(qdiscsOf(client)).not.toContain('clsact');
  });

  test('tc: our own qdisc stays while others have filters on it', async () => {
    const ids = await hook(client, { mode: 'tc' });
    const match = ['u32', 'match', 'u32', '0', '0', 'classid', '1:1'];
    const at = ['dev', client.device, 'ingress', 'prio', '7', 'protocol', 'all'];
    lab.inside(client.namespace, 'tc', 'filter', 'add', ...at, ...match);
    for (const id of ids) await native.detach(datapath, id);

    expect(qdiscsOf(client)).toContain('clsact');
    expect(filtersOf(client, 'ingress')).toContain('u32');
  });

  test.each(['tcx', 'tc'] as const)(
    '%s: an interface that is gone can be detached from',
    async (mode) => {
      const ids = await hook(client, { mode });
      ip('-n', client.namespace, 'link', 'del', client.device);

      for (const id of ids) await expect(native.detach(datapath, id)).resolves.toBeDefined();
    },
  );
});
