/** Frames that real devices send and receive, compared with the counters of their interfaces. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLIENT, ClientServer, SERVER } from '../../support/lab/client-server.ts';
import { ip } from '../../support/lab/netns.ts';
import { type AgentHost, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { EtherType, ipv4, Proto, udp } from './frames.ts';
import { frameOf, type Layer, mpls, pppoe, snap, tag } from './link-frames.ts';

const PORT = 5001;
const COUNT = 50;
const VXLAN_PORT = 4789;

describe.skipIf(requireRoot())('frames between two interfaces', () => {
  let bed: ClientServer;
  let host: AgentHost;

  beforeEach(() => {
    bed = new ClientServer();
    bed.disableV6();
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });

  const inside: Layer = { type: EtherType.ipv4, payload: ipv4(Proto.udp, udp(60, 40_000, PORT)) };
  const tags = (count: number): Layer =>
    Array.from({ length: count }).reduce<Layer>((inner) => tag(7)(inner), inside);

  // The kernel removes the first tag of incoming frames, and leaves it in outgoing ones.
  test.each([
    ['one tag', tags(1)],
    ['four tags', tags(4)],
    ['eight tags', tags(8)],
    ['an old outer tag', tag(7, EtherType.oldQinq)(tags(1))],
    ['labels', mpls(16, 17)(inside)],
    ['a session', pppoe()(inside)],
    ['LLC/SNAP', snap(inside)],
  ])('%s: once, at either end and at both', async (_why, layer) => {
    const { lab, client, near, far } = bed;
    host = await startAgent({ INTERFACES: `${near},${far}` });
    const frame = frameOf(layer);

    await lab.frames(
      client,
      near,
      Array.from({ length: COUNT }, () => frame),
    );

    const seen = await host.seen();
    expect(seen).toEqual({ packets: COUNT, bytes: COUNT * frame.length });
    expect(host.flows).toMatchObject([
      { DstPort: PORT, Packets: COUNT, Bytes: COUNT * frame.length, Interfaces: [near, far] },
    ]);
  });

  test('nine tags are more than are looked through, at either end', async () => {
    const { lab, client, near, far } = bed;
    host = await startAgent({ INTERFACES: `${near},${far}` });

    await lab.frames(client, near, [frameOf(tags(9))]);

    expect(await host.seen()).toEqual({ packets: 1, bytes: frameOf(tags(9)).length });
    expect(host.accounting().unrecorded.not_looked_into!.packets).toBe(1);
  });

  test('what a sender of multicast and broadcast hears of itself is no packet', async () => {
    const { lab, client, near } = bed;
    host = await startAgent({ INTERFACES: near });
    ip('-n', client, 'route', 'add', '224.0.0.0/4', 'dev', near);
    const before = lab.counters(client, near);
    const sender = await lab.script(
      client,
      `const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true });
       socket.bind(${PORT}, () => {
         socket.addMembership('224.0.0.251', '${CLIENT}');
         socket.setMulticastInterface('${CLIENT}');
         socket.setBroadcast(true);
         let heard = 0;
         socket.on('message', () => { if (++heard === 4) console.log('heard'); });
         process.stdin.on('data', (line) => {
           if (!String(line).includes('go')) return console.log('ready');
           for (const to of ['224.0.0.251', '10.9.0.255'])
             for (let i = 0; i < 2; i++) socket.send('hello', ${PORT}, to);
         });
       });`,
    );
    expect(await sender.ask('go')).toBe('heard');

    const agent = host;
    const passed = ({ txPackets, rxPackets } = before): number => txPackets + rxPackets;
    // The kernel repeats its report of the group later: possibly between the two counts.
    const uncounted = async (): Promise<number> => {
      const { packets } = await agent.seen();
      return passed(lab.counters(client, near)) - passed() - packets;
    };
    await expect.poll(uncounted).toBe(0);
    const sent = host.flows.filter((flow) => flow.DstPort === PORT);
    expect(sent).toMatchObject([{ Packets: 2 }, { Packets: 2 }]);
  });

  test.each([VXLAN_PORT, 14_789])(
    'bytes of a tunnel on port %i agree at both ends',
    async (port) => {
      const { lab, client, server, near, far } = bed;
      for (const [namespace, device, other, address] of [
        [client, near, SERVER, '10.8.0.1/24'],
        [server, far, CLIENT, '10.8.0.2/24'],
      ] as const) {
        const tunnel = ['vxlan', 'id', '7', 'remote', other, 'dstport', `${port}`, 'dev', device];
        ip('-n', namespace, 'link', 'add', 'tunnel', 'type', ...tunnel);
        lab.inside(namespace, 'sysctl', '-qw', 'net.ipv6.conf.tunnel.disable_ipv6=1');
        ip('-n', namespace, 'addr', 'add', address, 'dev', 'tunnel');
        ip('-n', namespace, 'link', 'set', 'tunnel', 'up');
      }
      const exchange = { address: '10.8.0.2', port: PORT, replyBytes: 1 };
      const totals: { packets: number; bytes: number }[] = [];
      for (const watched of [near, far]) {
        host = await startAgent({ INTERFACES: watched });
        await lab.tcp(client, server, { ...exchange, sendBytes: 5_000_000 });
        await host.agent.drainNow();
        const rows = host.flows.filter((flow) => flow.DstPort === port && flow.SrcAddr === CLIENT);
        totals.push({
          packets: rows.reduce((sum, row) => sum + row.Packets, 0),
          bytes: rows.reduce((sum, row) => sum + row.Bytes, 0),
        });
        await host[Symbol.asyncDispose]();
      }

      // Two connections, which may differ in how the first and last bytes are split.
      const [sent, received] = totals.map(({ packets, bytes }) => bytes / packets) as [
        number,
        number,
      ];
      expect(Math.abs(sent / received - 1)).toBeLessThan(0.005);
      expect(received).toBeGreaterThan(1450);
    },
  );
});
