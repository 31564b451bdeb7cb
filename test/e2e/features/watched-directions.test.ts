/** Probes see packets both ways: those outside the directions of hooks and rules make no flows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClientServer, SERVER } from '../../support/lab/client-server.ts';
import { ip } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const PORT = 5001;
const CLOSED_PORT = 5002;
const COUNT = 20;
const BEYOND = '10.9.2.2';
const ASIDE_V6 = 'fd00:9:1::2';

describe.skipIf(requireRoot())('directions of probes', () => {
  let bed: ClientServer;
  let host: AgentHost;

  beforeEach(() => {
    bed = new ClientServer();
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });

  async function flowsTo(address: string): Promise<FlowView[]> {
    await host.agent.drainNow();
    return host.flows.filter(({ DstAddr, Proto }) => DstAddr === address && Proto !== 58);
  }

  async function notWatched(): Promise<number> {
    const text = await host.metrics.registry.getSingleMetricAsString('probe_skips_total');
    return Number(/reason="not_watched"} (\d+)/.exec(text)?.[1] ?? 0);
  }

  const toNobody = (address: string) => ({ address, port: PORT, count: COUNT, sizeBytes: 64 });

  function dropUdp(namespace: string, hook: string): void {
    for (const rule of [
      'add table inet t',
      `add chain inet t c { type filter hook ${hook} priority 0; }`,
      `add rule inet t c udp dport ${PORT} drop`,
    ]) {
      bed.lab.inside(namespace, 'nft', rule);
    }
  }

  /** Another network, reached through the server; returns the server's interface to it. */
  function routeBeyond(): string {
    const { lab, client, server } = bed;
    const [out] = lab.pair(
      { namespace: server, addresses: ['10.9.2.1/24'] },
      { namespace: lab.namespace('last'), addresses: [`${BEYOND}/24`] },
    );
    ip('-n', client, 'route', 'add', '10.9.2.0/24', 'via', SERVER);
    lab.inside(server, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    return out;
  }

  test('connections that go out are nothing to hooks for what comes in', async () => {
    const { lab, client, server, near } = bed;
    const env = { DIRECTION: 'ingress', ENABLE_TCP_HEALTH: 'true' };
    host = await startAgent({ INTERFACES: near, ...env });

    expect(await lab.tryTcp(client, SERVER, CLOSED_PORT)).toBe(false);
    await lab.tcp(client, server, { address: SERVER, port: PORT, sendBytes: 100, replyBytes: 100 });

    expect(await flowsTo(SERVER)).toEqual([]);
    expect(host.flows.some(({ SrcAddr }) => SrcAddr === SERVER)).toBe(true);
    expect(await notWatched()).toBeGreaterThanOrEqual(2);
  });

  test('connections that the other end has recorded are told of', async () => {
    const { lab, client, server, near, far } = bed;
    const env = { DIRECTION: 'ingress', ENABLE_TCP_HEALTH: 'true' };
    host = await startAgent({ INTERFACES: `${near},${far}`, ...env });

    expect(await lab.tryTcp(client, SERVER, CLOSED_PORT)).toBe(false);
    await lab.tcp(client, server, { address: SERVER, port: PORT, sendBytes: 100, replyBytes: 100 });

    const flows = await flowsTo(SERVER);
    const [refused] = flows.filter(({ DstPort }) => DstPort === CLOSED_PORT);
    expect(refused).toMatchObject({ Packets: 1, TcpFailedConnects: 1 });
    const [accepted] = flows.filter(({ DstPort }) => DstPort === PORT);
    expect(accepted?.TcpHandshakeNs).toBeGreaterThan(0);
  });

  test('what has arrived is not on its way out by loopback', async () => {
    const { lab, client, server } = bed;
    dropUdp(server, 'input');
    host = await startAgent({ INTERFACES: 'lo', ENABLE_PKT_DROPS: 'true' });
    await lab.cast(client, toNobody(SERVER));
    expect(await flowsTo(SERVER)).toEqual([]);
    expect(await notWatched()).toBeGreaterThanOrEqual(COUNT);
  });

  test('nor, with IPv6, by the interface that has the address', async () => {
    const { lab, client, server, near, far } = bed;
    const [, aside] = bed.wire('10.9.1.1', '10.9.1.2');
    lab.address(client, near, 'fd00:9::1/64');
    lab.address(server, far, 'fd00:9::2/64');
    lab.address(server, aside, `${ASIDE_V6}/64`);
    ip('-n', client, 'route', 'add', `${ASIDE_V6}/128`, 'via', 'fd00:9::2', 'dev', near);
    dropUdp(server, 'input');
    host = await startAgent({ INTERFACES: aside, ENABLE_PKT_DROPS: 'true' });
    await lab.cast(client, toNobody(ASIDE_V6));
    expect(await flowsTo(ASIDE_V6)).toEqual([]);
    expect(await notWatched()).toBeGreaterThanOrEqual(COUNT);
  });

  test('what would have gone out is nothing to hooks for what comes in', async () => {
    const out = routeBeyond();
    dropUdp(bed.server, 'forward');
    const env = { DIRECTION: 'ingress', ENABLE_PKT_DROPS: 'true' };
    host = await startAgent({ INTERFACES: out, ...env });
    await bed.lab.cast(bed.client, toNobody(BEYOND));
    expect(await flowsTo(BEYOND)).toEqual([]);
    expect(await notWatched()).toBeGreaterThanOrEqual(COUNT);
  });

  const counted = (Packets: number, PktDropPackets?: number) => [
    expect.objectContaining({ Packets, PktDropPackets }),
  ];

  test.each([
    ['direction=Ingress', 'far', counted(COUNT, COUNT)],
    ['direction=Egress', 'far', []],
    ['action=Reject direction=Ingress', 'far', []],
    ['action=Reject direction=Egress', 'far', counted(COUNT, COUNT)],
    // Recorded when it left, and lost when it came in.
    ['direction=Egress', 'both', counted(COUNT, COUNT)],
    ['direction=Egress drops=true', 'both', counted(COUNT, COUNT)],
    ['action=Reject direction=Ingress drops=true; direction=Egress', 'both', counted(COUNT)],
    ['action=Reject direction=Egress drops=true; direction=Egress', 'both', counted(COUNT, COUNT)],
  ])('drops of what comes in, %s at %s', async (rules, place, wanted) => {
    const { lab, client, near, far } = bed;
    host = await startAgent({
      INTERFACES: place === 'far' ? far : `${near},${far}`,
      FLOW_FILTER_RULES: rules,
      ENABLE_PKT_DROPS: 'true',
    });
    await lab.cast(client, toNobody(SERVER));
    expect(await flowsTo(SERVER)).toEqual(wanted);
  });

  test.each([
    ['direction=Ingress', 'output', []],
    ['direction=Egress', 'output', counted(0, COUNT)],
    ['action=Reject direction=Egress', 'output', []],
    ['direction=Ingress', 'forward', []],
    ['direction=Egress', 'forward', counted(0, COUNT)],
    ['action=Reject direction=Egress', 'forward', []],
  ])('drops before the way out, %s in the chain %s', async (rules, chain, wanted) => {
    const out = routeBeyond();
    const isForward = chain === 'forward';
    dropUdp(isForward ? bed.server : bed.client, chain);
    host = await startAgent({
      INTERFACES: isForward ? out : bed.near,
      FLOW_FILTER_RULES: rules,
      ENABLE_PKT_DROPS: 'true',
    });
    await bed.lab.cast(bed.client, toNobody(BEYOND));
    expect(await flowsTo(BEYOND)).toEqual(wanted);
  });

  test.each([
    ['direction=Ingress', undefined],
    ['direction=Egress', 1],
  ])('connections that fail, %s', async (rules, wanted) => {
    const { lab, client, near } = bed;
    // The SYN is dropped before the hook: no packet reveals the flow.
    for (const rule of [
      'add table inet t',
      'add chain inet t c { type filter hook output priority 0; }',
      `add rule inet t c tcp dport ${CLOSED_PORT} reject with tcp reset`,
    ]) {
      lab.inside(client, 'nft', rule);
    }
    const env = { FLOW_FILTER_RULES: rules, ENABLE_TCP_HEALTH: 'true' };
    host = await startAgent({ INTERFACES: near, ...env });
    expect(await lab.tryTcp(client, SERVER, CLOSED_PORT)).toBe(false);
    const [flow] = await flowsTo(SERVER);
    expect(flow?.TcpFailedConnects).toBe(wanted);
  });
});
