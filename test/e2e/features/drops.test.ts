/** Packets dropped by the real kernel, compared with its own drop counters. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ip, Lab } from '../../support/lab/netns.ts';
import type { AgentHost, FlowView } from '../../support/processes/agent-host.ts';
import { loadNative, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { ROOT } from '../../support/source-tree.ts';
import {
  addressed,
  EtherType,
  ethernet,
  extension,
  ipv4,
  ipv6,
  Proto,
  udp,
} from '../datapath/frames.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 5001;
/** Ethernet, IPv4 and UDP headers. */
const UDP_OVERHEAD_BYTES = 42;
const COUNT = 50;
/** An interface that is watched as soon as it appears. */
const TUN = 'nbt-tun';
const SIZE_BYTES = 100;

/** Offset in the UDP header. */
const UDP_CHECKSUM_AT = 6;

const TO_SERVER = { address: SERVER, port: PORT, count: COUNT, sizeBytes: SIZE_BYTES };

describe.skipIf(requireRoot())('drops', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let near: string;
  let far: string;

  beforeEach(async () => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    [near, far] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`, 'fd00::1/64'] },
      { namespace: server, addresses: [`${SERVER}/24`, 'fd00::2/64'] },
    );
    // Resolves addresses before anything is dropped.
    await lab.udp(client, server, { ...TO_SERVER, count: 1 });
    ip('-n', client, 'neigh', 'add', 'fd00::2', 'lladdr', lab.macOf(server, far), 'dev', near);
    host = await startAgent({ INTERFACES: `${near},${far},${TUN}`, ENABLE_PKT_DROPS: 'true' });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  /** Flows to the server's port with drops. */
  async function dropped(port = PORT): Promise<FlowView[]> {
    await host.agent.drainNow();
    return host.flows.filter((flow) => flow.DstPort === port && flow.PktDropPackets !== undefined);
  }

  function nft(namespace: string, ...rules: readonly string[]): void {
    for (const rule of rules) lab.inside(namespace, 'nft', rule);
  }

  /** Packets and bytes of the only counter in the namespace's rules. */
  function nftCounter(namespace: string): { packets: number; bytes: number } {
    const text = lab.inside(namespace, 'nft', 'list', 'ruleset');
    const [, packets, bytes] = /counter packets (\d+) bytes (\d+)/.exec(text) ?? [];
    return { packets: Number(packets), bytes: Number(bytes) };
  }

  test.each([
    ['IPv4', SERVER, 0, () => lab.snmp(server, 'Udp', 'NoPorts')],
    ['IPv6', 'fd00::2', 20, () => lab.snmp6(server, 'Udp6NoPorts')],
  ])('%s: nobody listens on the port', async (_family, address, extraBytes, noPorts) => {
    const before = noPorts();

    await lab.cast(client, { ...TO_SERVER, address });

    const [flow, ...others] = await dropped();
    expect(others).toEqual([]);
    expect(flow).toMatchObject({
      Packets: COUNT,
      PktDropPackets: COUNT,
      PktDropBytes: COUNT * (SIZE_BYTES + UDP_OVERHEAD_BYTES + extraBytes),
      PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET',
      PktDropLocation: expect.stringMatching(/udp/),
    });
    expect(flow!.PktDropBytes).toBe(flow!.Bytes);
    expect(noPorts() - before).toBe(flow!.PktDropPackets);
    expect(host.agent.status().features).toEqual([{ name: 'drops', state: 'on' }]);
  });

  test('a netfilter rule drops what is received', async () => {
    nft(
      server,
      'add table inet t',
      'add chain inet t c { type filter hook input priority 0; }',
      `add rule inet t c udp dport ${PORT} counter drop`,
    );

    await lab.cast(client, TO_SERVER);

    const [flow] = await dropped();
    expect(flow).toMatchObject({
      PktDropPackets: COUNT,
      PktDropLatestDropCause: 'SKB_DROP_REASON_NETFILTER_DROP',
      PktDropLocation: expect.stringMatching(/^nf/),
    });
    // Netfilter counts from the IP header on.
    const { packets, bytes } = nftCounter(server);
    expect(flow!.PktDropPackets).toBe(packets);
    expect(flow!.PktDropBytes).toBe(bytes + 14 * packets);
  });

  test('a netfilter rule drops what is sent, before any hook', async () => {
    nft(
      client,
      'add table inet t',
      'add chain inet t c { type filter hook output priority 0; }',
      `add rule inet t c udp dport ${PORT} counter drop`,
    );

    await lab.cast(client, TO_SERVER);

    const [flow] = await dropped();
    const { packets, bytes } = nftCounter(client);
    expect(packets).toBe(COUNT);
    expect(flow).toMatchObject({
      Packets: 0,
      Bytes: 0,
      Etype: 0x0800,
      PktDropPackets: packets,
      PktDropBytes: bytes,
      PktDropLatestDropCause: 'SKB_DROP_REASON_NETFILTER_DROP',
    });
  });

  test('with sampling, drops that no hook has seen are one in as many, too', async () => {
    await host[Symbol.asyncDispose]();
    const env = { INTERFACES: `${near},${far}`, ENABLE_PKT_DROPS: 'true', SAMPLING: '10' };
    host = await startAgent(env);
    nft(
      client,
      'add table inet t',
      'add chain inet t c { type filter hook output priority 0; }',
      `add rule inet t c udp dport ${PORT} drop`,
    );

    await lab.cast(client, { ...TO_SERVER, count: 2000 });

    const [flow] = await dropped();
    expect(flow).toMatchObject({
      Sampling: 10,
      PktDropLatestDropCause: expect.stringMatching(/NETFILTER/),
    });
    // 200, by far more than five standard deviations to either side.
    expect(flow!.PktDropPackets).toBeGreaterThan(120);
    expect(flow!.PktDropPackets).toBeLessThan(280);
  });

  test('a source that is not reached this way', async () => {
    lab.inside(server, 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
    const before = lab.snmp(server, 'TcpExt', 'IPReversePathFilter');
    const frame = addressed(
      ethernet(
        EtherType.ipv4,
        ipv4(Proto.udp, udp(10, 40000, PORT), { source: [192, 0, 2, 7], target: [10, 9, 0, 2] }),
      ),
      lab.macOf(server, far),
    );
    ip('-n', server, 'route', 'add', 'blackhole', '192.0.2.0/24');

    await lab.frames(client, near, [frame, frame, frame]);

    const [flow] = await dropped();
    expect(flow).toMatchObject({
      SrcAddr: '192.0.2.7',
      PktDropPackets: lab.snmp(server, 'TcpExt', 'IPReversePathFilter') - before,
      PktDropLatestDropCause: 'SKB_DROP_REASON_IP_RPFILTER',
    });
    expect(flow!.PktDropPackets).toBe(3);
  });

  test('a socket whose buffer is full', async () => {
    const before = lab.snmp(server, 'Udp', 'RcvbufErrors');
    await lab.deaf(server, PORT);

    await lab.cast(client, { ...TO_SERVER, count: 2000, sizeBytes: 1000 });

    const [flow] = await dropped();
    const full = lab.snmp(server, 'Udp', 'RcvbufErrors') - before;
    expect(full).toBeGreaterThan(100);
    expect(flow).toMatchObject({
      PktDropPackets: full,
      PktDropBytes: full * (1000 + UDP_OVERHEAD_BYTES),
      PktDropLatestDropCause: 'SKB_DROP_REASON_SOCKET_RCVBUFF',
    });
  });

  test('a wrong checksum', async () => {
    await lab.resident(server);
    const before = lab.snmp(server, 'Udp', 'InCsumErrors');
    const datagram = udp(SIZE_BYTES, 40000, 9);
    datagram.set([0xba, 0xad], UDP_CHECKSUM_AT);
    const packet = ipv4(Proto.udp, datagram, { source: [10, 9, 0, 1], target: [10, 9, 0, 2] });
    const frame = addressed(ethernet(EtherType.ipv4, packet), lab.macOf(server, far));

    await lab.frames(
      client,
      near,
      Array.from({ length: COUNT }, () => frame),
    );

    const [flow] = await dropped(9);
    expect(lab.snmp(server, 'Udp', 'InCsumErrors') - before).toBe(COUNT);
    expect(flow).toMatchObject({
      PktDropPackets: COUNT,
      PktDropLatestDropCause: 'SKB_DROP_REASON_UDP_CSUM',
    });
  });

  test.each([1, 4, 5, 8])('behind %i extension headers', async (count) => {
    const ends = [1, 2].map((end) => Buffer.from(`fd00${'0'.repeat(27)}${end}`, 'hex'));
    let packet = udp(20, 40_000, PORT);
    let next: number = Proto.udp;
    for (let at = 0; at < count; at++) {
      packet = extension(next, packet);
      next = Proto.destination;
    }
    const whole = ethernet(
      EtherType.ipv6,
      ipv6(next, packet, { source: ends[0]!, target: ends[1]! }),
    );
    Buffer.from(lab.macOf(server, far).replaceAll(':', ''), 'hex').copy(whole, 0);
    await lab.frames(client, near, [whole]);

    expect(await dropped()).toMatchObject([{ Proto: Proto.udp, Packets: 1, PktDropPackets: 1 }]);
  });

  test('a policy of IPsec that lets nothing in', async () => {
    await lab.resident(server);
    const blocked = (): number => {
      const text = lab.inside(server, 'cat', '/proc/net/xfrm_stat');
      return Number(/^XfrmInPolBlock\s+(\d+)$/m.exec(text)?.[1]);
    };
    const before = blocked();
    const policy = ['dir', 'in', 'src', CLIENT, 'dst', SERVER, 'proto', 'udp', 'action', 'block'];
    ip('-n', server, 'xfrm', 'policy', 'add', ...policy);

    await lab.cast(client, { ...TO_SERVER, port: 9 });

    const [flow] = await dropped(9);
    expect(flow).toMatchObject({
      PktDropPackets: COUNT,
      PktDropLatestDropCause: 'SKB_DROP_REASON_XFRM_POLICY',
    });
    expect(blocked() - before).toBe(COUNT);
  });

  test('nobody listens on the TCP port', async () => {
    const before = lab.snmp(server, 'Tcp', 'OutRsts');

    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await lab.tryTcp(client, SERVER, PORT)).toBe(false);
    }

    const flows = await dropped();
    const resets = lab.snmp(server, 'Tcp', 'OutRsts') - before;
    expect(resets).toBe(3);
    expect(flows.reduce((sum, flow) => sum + Number(flow.PktDropPackets), 0)).toBe(resets);
    for (const flow of flows) {
      expect(flow).toMatchObject({
        PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET',
        // SYN.
        PktDropLatestFlags: 2,
      });
    }
  });

  test('a TCX program of others drops', async () => {
    const native = loadNative();
    const other = native.load(readFileSync(join(ROOT, 'build/bpf/dropper.bpf.o')), {
      config: new Uint8Array(0),
      maxEntries: {},
      programs: ['dropper'],
    });
    try {
      const [link] = JSON.parse(ip('-n', server, '-j', 'link', 'show', 'dev', far)) as [
        { ifindex: number },
      ];
      const { fd: netns } = native.openNamespace(`/var/run/netns/${server}`);
      const where = { ifindex: link.ifindex, direction: 'ingress', netns } as const;
      await native.attach(other, { ...where, program: 'dropper', mode: 'tcx', anchor: 'tail' });
      native.closeFd(netns);
      const before = lab.counters(server, far).rxPackets;

      await lab.cast(client, TO_SERVER);

      // The device received them (and maybe messages of IPv6 neighbours); they went no further.
      const received = lab.counters(server, far).rxPackets - before;
      const [flow] = await dropped();
      expect(received).toBeGreaterThanOrEqual(COUNT);
      expect(lab.snmp(server, 'Udp', 'NoPorts')).toBe(0);
      expect(flow).toMatchObject({
        Packets: COUNT,
        PktDropPackets: COUNT,
        PktDropLatestDropCause: 'SKB_DROP_REASON_TC_INGRESS',
      });
    } finally {
      native.close(other);
    }
  });

  test('another program at the same hook drops', async () => {
    // Classic BPF of one instruction: return 2, which is TC_ACT_SHOT.
    const program = ['bpf', 'da', 'bytecode', '1,6 0 0 2'];
    lab.inside(server, 'tc', 'qdisc', 'add', 'dev', far, 'clsact');
    const filter = ['filter', 'add', 'dev', far, 'ingress', 'protocol', 'ip', 'prio', '1'];
    lab.inside(server, 'tc', ...filter, ...program);

    await lab.cast(client, TO_SERVER);

    const [flow] = await dropped();
    expect(flow).toMatchObject({
      PktDropPackets: COUNT,
      PktDropLatestDropCause: 'SKB_DROP_REASON_TC_INGRESS',
    });
  });

  test('a device without a link layer', async () => {
    ip('-n', client, 'tuntap', 'add', 'dev', TUN, 'mode', 'tun');
    ip('-n', client, 'addr', 'add', '10.7.0.1/24', 'dev', TUN);
    ip('-n', client, 'link', 'set', TUN, 'up');
    await expect.poll(() => host.agent.status().interfaces.map(({ name }) => name)).toContain(TUN);
    const before = lab.counters(client, TUN);

    // No program has the device open: it drops its packets.
    await lab.cast(client, { ...TO_SERVER, address: '10.7.0.2' });

    const [flow] = await dropped();
    expect(lab.counters(client, TUN).txPackets).toBe(before.txPackets);
    expect(flow).toMatchObject({
      DstAddr: '10.7.0.2',
      PktDropPackets: COUNT,
      PktDropBytes: COUNT * (SIZE_BYTES + 28),
    });
  });
});
