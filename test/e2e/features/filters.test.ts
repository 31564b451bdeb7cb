/** Filter rules on real traffic: what is kept, and accounting that agrees with the interfaces. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const OPEN_PORT = 5001;
const CLOSED_PORT = 5002;
const COUNT = 50;
const SIZE_BYTES = 100;
/** Drops of all namespaces are reported: addresses identify ours. */
const PREFIX = `10.${100 + (process.pid % 100)}.0`;

describe.skipIf(requireRoot())('filter rules', () => {
  let lab: Lab;
  let wire: LabPair;
  let host: AgentHost | undefined;
  let client: string;
  let server: string;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    wire = new LabPair(lab, client, server);
    wire.giveAddresses(PREFIX);
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const start = async (rules: string, env: Readonly<Record<string, string>> = {}) => {
    const own = { INTERFACES: `${wire.a},${wire.b}`, FLOW_FILTER_RULES: rules };
    host = await startAgent({ ...own, ...env });
    return host;
  };
  const traffic = (port: number) => ({
    address: wire.v4[1],
    port,
    count: COUNT,
    sizeBytes: SIZE_BYTES,
  });

  /** To an open port, and to a closed one, whose packets the kernel drops. */
  async function sendToBoth(): Promise<void> {
    await lab.udp(client, server, traffic(OPEN_PORT));
    await lab.cast(client, traffic(CLOSED_PORT));
  }

  function ports(): (readonly [port: unknown, packets: number, dropped: unknown])[] {
    return host!.flows
      .filter((flow) => flow.DstAddr === wire.v4[1] && flow.Proto === 17)
      .map((flow) => [flow.DstPort, flow.Packets, flow.PktDropPackets] as const);
  }

  /** All packets past the near interface, by its counters, against the accounting. */
  async function expectExactBooks(before: { packets: number; bytes: number }): Promise<void> {
    const seen = await host!.seen();
    const after = wire.counted();
    expect(seen).toEqual({
      packets: after.packets - before.packets,
      bytes: after.bytes - before.bytes,
    });
  }

  test.each([
    ['drops=true', [[CLOSED_PORT, COUNT, COUNT]]],
    [
      `drops=true; port=${OPEN_PORT}`,
      [
        [CLOSED_PORT, COUNT, COUNT],
        [OPEN_PORT, COUNT, undefined],
      ],
    ],
    [`action=Reject port=${CLOSED_PORT}; drops=true`, []],
    [
      'action=Reject drops=true',
      [
        [CLOSED_PORT, COUNT, undefined],
        [OPEN_PORT, COUNT, undefined],
      ],
    ],
    [`port=${OPEN_PORT}`, [[OPEN_PORT, COUNT, undefined]]],
  ])('%s', async (rules, wanted) => {
    await start(rules, { ENABLE_PKT_DROPS: 'true' });
    const before = wire.counted();
    await sendToBoth();
    await host!.agent.drainNow();

    expect(ports().sort((one, other) => (other[2] === one[2] ? 0 : 1))).toEqual(
      expect.arrayContaining(wanted),
    );
    expect(ports()).toHaveLength(wanted.length);
    await expectExactBooks(before);
  });

  test('a rule for one direction records at the hooks of that direction, and the books stay exact', async () => {
    await start('direction=Ingress protocol=UDP');
    const before = wire.counted();
    await sendToBoth();
    await host!.agent.drainNow();

    // Packets pass the sender's hook, an egress, first.
    expect(ports().sort()).toEqual([
      [OPEN_PORT, COUNT, undefined],
      [CLOSED_PORT, COUNT, undefined],
    ]);
    expect(host!.flows.every((flow) => flow.FlowDirection === 0)).toBe(true);
    await expectExactBooks(before);
  });

  test('a TCP stream with offloads that nobody wants is counted as on the wire', async () => {
    await start('protocol=UDP');
    const before = lab.queueCounters(client, wire.a);
    const exchange = { address: wire.v4[1], port: 5003, sendBytes: 5_000_000, replyBytes: 1 };
    await lab.tcp(client, server, exchange);
    await host!.agent.drainNow();

    expect(host!.flows).toEqual([]);
    const { filteredPackets, filteredBytes } = host!.accounting();
    const sent = lab.queueCounters(client, wire.a);
    // The queue has seen the client's half.
    expect(filteredPackets).toBeGreaterThan(sent.packets - before.packets);
    expect(filteredBytes).toBeGreaterThan(sent.bytes - before.bytes);
  });

  test('a flow that only a probe knows of is kept by a rule that wants it without drops', async () => {
    const port = 5003;
    const env = { ENABLE_PKT_DROPS: 'true', ENABLE_TCP_HEALTH: 'true' };
    await start(`drops=true; port=${port}`, env);
    for (const rule of [
      'add table inet t',
      'add chain inet t c { type filter hook input priority 0; }',
      `add rule inet t c tcp dport ${port} drop`,
    ]) {
      lab.inside(server, 'nft', rule);
    }
    lab.inside(client, 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=1');
    let isTrying = true;
    const trial = lab.tryTcp(client, wire.v4[1], port).finally(() => {
      isTrying = false;
    });
    // The last SYN is drained long before TCP gives up.
    const drained = async (): Promise<boolean> => {
      await host!.agent.drainNow();
      return isTrying;
    };
    await expect.poll(drained, { timeout: 10_000 }).toBe(false);
    expect(await trial).toBe(false);
    await host!.agent.drainNow();

    const [flow] = host!.flows.filter(({ DstPort, TcpFailedConnects }) => {
      return DstPort === port && TcpFailedConnects === 1;
    });
    const last = { Packets: 0, TcpFailedConnects: 1, PktDropPackets: undefined };
    expect(flow).toMatchObject(last);
  });

  test('what only probes see is drawn, and stored, at the rate of its rule', async () => {
    // Dropped before it reaches the interface.
    for (const rule of [
      'add table inet t',
      'add chain inet t c { type filter hook output priority 0; }',
      `add rule inet t c udp dport ${CLOSED_PORT} drop`,
    ]) {
      lab.inside(client, 'nft', rule);
    }
    const hooks = { INTERFACES: wire.a, DIRECTION: 'egress' };
    const env = { ...hooks, ENABLE_PKT_DROPS: 'true', ENABLE_TCP_HEALTH: 'true' };
    await start(`port=${CLOSED_PORT} sample=10; port=5003 sample=1000000000`, env);
    await lab.cast(client, { ...traffic(CLOSED_PORT), count: 2000 });
    await lab.tryTcp(client, wire.v4[1], 5003);
    await host!.agent.drainNow();

    const drops = host!.flows.filter((flow) => flow.DstPort === CLOSED_PORT);
    expect(drops).toMatchObject([{ Packets: 0, Sampling: 10 }]);
    // 200 of 2000, plus or minus six standard deviations.
    expect(Math.abs(Number(drops[0]?.PktDropPackets) - 200)).toBeLessThan(81);
    expect(host!.flows.filter((flow) => flow.DstPort === 5003)).toEqual([]);
  });

  test('rates of rules and the global one, all accounted for', async () => {
    await start(`port=${OPEN_PORT} sample=2; port=${CLOSED_PORT} sample=1`, { SAMPLING: '1000' });
    const before = wire.counted();
    await sendToBoth();
    await host!.agent.drainNow();

    const closed = host!.flows.find((flow) => flow.DstPort === CLOSED_PORT);
    expect(closed).toMatchObject({ Packets: COUNT, Sampling: 1 });
    const open = host!.flows.find((flow) => flow.DstPort === OPEN_PORT);
    expect(open?.Sampling).toBe(2);
    expect(host!.accounting().sampledOutPackets).toBe(COUNT - open!.Packets);
    await expectExactBooks(before);
  });
});
