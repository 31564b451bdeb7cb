/** Probes see all interfaces: events where there is no hook do not make flows, and are counted. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CLIENT, ClientServer, SERVER } from '../../support/lab/client-server.ts';
import { ip } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { addressed, EtherType, ethernet, ipv4, Proto, udp } from '../datapath/frames.ts';

const ASIDE = '10.9.1.1';
const ELSEWHERE = '10.9.1.2';
const PORT = 5001;
const COUNT = 20;

describe.skipIf(requireRoot())('probes', () => {
  let bed: ClientServer;
  let host: AgentHost;
  let aside: string;
  let other: string;

  beforeEach(() => {
    bed = new ClientServer();
    [aside, other] = bed.wire(ASIDE, ELSEWHERE);
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });

  async function flowsTo(address: string): Promise<FlowView[]> {
    await host.agent.drainNow();
    return host.flows.filter((flow) => flow.DstAddr === address && flow.DstPort === PORT);
  }

  async function skips(reason: string): Promise<number> {
    const text = await host.metrics.registry.getSingleMetricAsString('probe_skips_total');
    return Number(new RegExp(`reason="${reason}"} (\\d+)`).exec(text)?.[1] ?? 0);
  }

  const toNobody = (address: string) => ({ address, port: PORT, count: COUNT, sizeBytes: 64 });

  const dropUdp = (namespace: string, hook: string): void => {
    for (const rule of [
      'add table inet t',
      `add chain inet t c { type filter hook ${hook} priority 0; }`,
      `add rule inet t c udp dport ${PORT} drop`,
    ]) {
      bed.lab.inside(namespace, 'nft', rule);
    }
  };

  test.each([
    ['INTERFACES', () => ({ INTERFACES: `${bed.near},${bed.far}` })],
    ['EXCLUDE_INTERFACES', () => ({ EXCLUDE_INTERFACES: `lo,${aside},${other}` })],
    ['INTERFACE_IPS', () => ({ INTERFACE_IPS: '10.9.0.0/24' })],
  ])('%s: drops of other interfaces are none of ours', async (_why, env) => {
    const { lab, client } = bed;
    host = await startAgent({ ...env(), ENABLE_PKT_DROPS: 'true' });

    await lab.cast(client, toNobody(ELSEWHERE));
    await lab.cast(client, toNobody(SERVER));

    expect(await flowsTo(ELSEWHERE)).toEqual([]);
    expect(await flowsTo(SERVER)).toMatchObject([{ Packets: COUNT, PktDropPackets: COUNT }]);
    expect(await skips('not_watched')).toBeGreaterThanOrEqual(COUNT);
  });

  test('DIRECTION: drops of what goes the other way are none of ours', async () => {
    const { lab, client, near, far } = bed;
    host = await startAgent({ INTERFACES: far, DIRECTION: 'egress', ENABLE_PKT_DROPS: 'true' });
    await lab.cast(client, toNobody(SERVER));
    expect(await flowsTo(SERVER)).toEqual([]);
    expect(await skips('not_watched')).toBeGreaterThanOrEqual(COUNT);
    await host[Symbol.asyncDispose]();

    host = await startAgent({ INTERFACES: near, DIRECTION: 'ingress', ENABLE_PKT_DROPS: 'true' });
    dropUdp(client, 'output');
    await lab.cast(client, toNobody(SERVER));
    expect(await flowsTo(SERVER)).toEqual([]);
    expect(await skips('not_watched')).toBeGreaterThanOrEqual(COUNT);
  });

  test('DIRECTION: what is dropped on its way through would have gone out', async () => {
    const { lab, client, server } = bed;
    const last = lab.namespace('last');
    const [out] = lab.pair(
      { namespace: server, addresses: ['10.9.2.1/24'] },
      { namespace: last, addresses: ['10.9.2.2/24'] },
    );
    ip('-n', client, 'route', 'add', '10.9.2.0/24', 'via', SERVER);
    lab.inside(server, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    dropUdp(server, 'forward');
    host = await startAgent({ INTERFACES: out, DIRECTION: 'egress', ENABLE_PKT_DROPS: 'true' });
    await lab.cast(client, toNobody('10.9.2.2'));
    expect(await flowsTo('10.9.2.2')).toMatchObject([{ Packets: 0, PktDropPackets: COUNT }]);
  });

  test('what is dropped before any interface is of the one that it was on its way to', async () => {
    const { lab, client, near } = bed;
    host = await startAgent({ INTERFACES: near, ENABLE_PKT_DROPS: 'true' });
    dropUdp(client, 'output');

    await lab.cast(client, toNobody(ELSEWHERE));
    await lab.cast(client, toNobody(SERVER));

    expect(await flowsTo(ELSEWHERE)).toEqual([]);
    expect(await flowsTo(SERVER)).toMatchObject([{ Packets: 0, PktDropPackets: COUNT }]);
  });

  test('an interface that comes later is watched from then on, and no longer than it is', async () => {
    const { lab, client, near } = bed;
    host = await startAgent({ INTERFACES: '/^late/', ENABLE_PKT_DROPS: 'true' });
    dropUdp(client, 'output');
    await lab.cast(client, toNobody(SERVER));
    expect(await flowsTo(SERVER)).toEqual([]);

    ip('-n', client, 'link', 'set', near, 'down');
    ip('-n', client, 'link', 'set', near, 'name', 'late0');
    ip('-n', client, 'link', 'set', 'late0', 'up');
    await expect.poll(() => host.agent.status().interfaces.length).toBe(1);
    await lab.cast(client, toNobody(SERVER));
    const [flow] = await flowsTo(SERVER);
    expect(flow).toMatchObject({ PktDropPackets: COUNT });

    ip('-n', client, 'link', 'set', 'late0', 'down');
    ip('-n', client, 'link', 'set', 'late0', 'name', near);
    ip('-n', client, 'link', 'set', near, 'up');
    await expect.poll(() => host.agent.status().interfaces.length).toBe(0);
    await lab.cast(client, toNobody(SERVER));
    expect(await flowsTo(SERVER)).toEqual([flow]);
  });

  test('connections by other interfaces have no TCP health', async () => {
    const { lab, client, server, near, far } = bed;
    host = await startAgent({ INTERFACES: `${near},${far}`, ENABLE_TCP_HEALTH: 'true' });

    const exchange = { port: PORT, sendBytes: 1000, replyBytes: 1000 };
    await lab.tcp(client, server, { ...exchange, address: ELSEWHERE });
    await lab.tryTcp(client, ELSEWHERE, PORT + 1);
    await lab.tcp(client, server, { ...exchange, address: SERVER });
    await lab.tryTcp(client, SERVER, PORT + 1);

    expect(await flowsTo(ELSEWHERE)).toEqual([]);
    const [flow] = await flowsTo(SERVER);
    expect(flow!.TcpHandshakeNs).toBeGreaterThan(0);
    const refused = host.flows.filter((each) => each.DstPort === PORT + 1);
    expect(refused).toMatchObject([{ DstAddr: SERVER, TcpFailedConnects: 1 }]);
    expect(await skips('not_watched')).toBeGreaterThanOrEqual(2);
  });

  /** To an unused MAC: the receiver still gets it, being promiscuous. */
  const toOthers = (): Buffer[] => {
    const source = CLIENT.split('.').map(Number);
    const packet = ipv4(Proto.udp, udp(20, 40_000, PORT), {
      source,
      target: SERVER.split('.').map(Number),
    });
    const frame = addressed(ethernet(EtherType.ipv4, packet), '02:00:00:00:00:99');
    return Array.from({ length: COUNT }, () => frame);
  };

  test.each([
    ['are no drops', {}, undefined, COUNT],
    ['are drops where that is asked for', { PKT_DROPS_OF_OTHERS: 'true' }, COUNT, 0],
  ])('frames for other hosts %s', async (_why, env, drops, skipped) => {
    const { lab, client, server, near, far } = bed;
    host = await startAgent({ INTERFACES: far, ENABLE_PKT_DROPS: 'true', ...env });
    ip('-n', server, 'link', 'set', far, 'promisc', 'on');

    await lab.frames(client, near, toOthers());

    const [flow] = await flowsTo(SERVER);
    expect(flow).toMatchObject({ Packets: COUNT });
    expect(flow!.PktDropPackets).toBe(drops);
    expect(await skips('other_host')).toBeGreaterThanOrEqual(skipped);
  });
});
