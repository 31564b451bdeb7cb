/** Packets from a tunnel whose other end is on another machine. */
import { describe, expect, test } from 'vitest';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import {
  addressed,
  datagram,
  EtherType,
  ethernet,
  ipv4,
  Proto,
  udp,
  vxlan,
} from '../datapath/frames.ts';

const SENT = 2000;
const RATE = 4;
const NETWORK = 7;
const PORT = 7000;
const NODE = [10, 93, 0, 2];
const POD = [10, 93, 1, 2];

describe.skipIf(requireRoot())('inner packets of another machine', () => {
  test.each([false, true])('are sampled once; others at the hooks: %s', async (others) => {
    await using lab = new Lab();
    const [wire, node, pod] = ['wire', 'node', 'pod'].map((name) => lab.namespace(name)) as [
      string,
      string,
      string,
    ];
    const [far, uplink] = lab.pair(
      { namespace: wire },
      { namespace: node, addresses: [`${NODE.join('.')}/24`] },
    );
    lab.pair(
      { namespace: node, addresses: ['10.93.1.1/24'] },
      { namespace: pod, addresses: [`${POD.join('.')}/24`] },
    );
    const tunnel = lab.linkName();
    const kind = ['type', 'vxlan', 'id', `${NETWORK}`, 'dstport', '4789', 'dev', uplink];
    ip('-n', node, 'link', 'add', tunnel, ...kind);
    lab.address(node, tunnel, '10.93.2.1/24');
    ip('-n', node, 'link', 'set', tunnel, 'up');
    lab.inside(node, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    if (others) {
      lab.inside(node, 'tc', 'qdisc', 'add', 'dev', uplink, 'clsact');
      const pass = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0', 'flowid', '1:1'];
      lab.inside(node, 'tc', 'filter', 'add', 'dev', uplink, 'ingress', 'prio', '9', ...pass);
    }
    await using host = await startAgent({ INTERFACES: ONLY_TESTS, SAMPLING: `${RATE}` });
    const before = host.accounting().sampledOutPackets;

    const ends = { source: [10, 93, 2, 9], target: POD };
    const packet = ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(50, 40_000, PORT), ends));
    const inner = addressed(packet, lab.macOf(node, tunnel));
    const carried = datagram(4789, vxlan(NETWORK, inner));
    const around = { source: [10, 93, 0, 1], target: NODE };
    const outer = ethernet(EtherType.ipv4, ipv4(Proto.udp, carried, around));
    const frame = addressed(outer, lab.macOf(node, uplink));
    await lab.frames(
      wire,
      far,
      Array.from({ length: SENT }, () => frame),
    );

    await host.agent.drainNow();
    const sum = (port: number): number =>
      host.flows.reduce((all, flow) => all + (flow.DstPort === port ? flow.Packets : 0), 0);
    // Six standard deviations of a binomial distribution.
    const most = 6 * Math.sqrt((SENT * (RATE - 1)) / RATE ** 2);
    expect(Math.abs(sum(PORT) - SENT / RATE)).toBeLessThan(most);
    expect(Math.abs(sum(4789) - SENT / RATE)).toBeLessThan(most);
    const leftOut = host.accounting().sampledOutPackets - before;
    expect(sum(PORT) + sum(4789) + leftOut).toBeGreaterThanOrEqual(2 * SENT);
    // ICMP errors and ARP are sampled, too.
    expect(sum(PORT) + sum(4789) + leftOut).toBeLessThan(2 * SENT + 50);
  });
});
