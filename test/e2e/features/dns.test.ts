/** DNS of a real client and server in namespaces, compared with the output of `dig`. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { message, name, Type } from '../../support/codec/dns-message.ts';
import { SLOW_MS } from '../../support/lab/dns-server.ts';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { EtherType, ethernet, ipv4, Proto, udp } from '../datapath/frames.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const STALE = '300ms';
const SOON = { timeout: 10_000, interval: 10 } as const;

describe.skipIf(requireRoot())('DNS', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let near: string;
  let far: string;

  /** Hooks at both ends of the wire, both directions: each packet passes two of them. */
  async function start(
    env: Readonly<Record<string, string>> = {},
    port = 53,
    address = SERVER,
  ): Promise<void> {
    const script = join(ROOT, 'test/support/lab/dns-server.ts');
    await lab.service(server, /ready/, process.execPath, script, address, `${port}`);
    host = await startAgent({
      INTERFACES: interfaces.join(),
      ENABLE_DNS_TRACKING: 'true',
      STALE_ENTRIES_EVICT_TIMEOUT: STALE,
      CACHE_ACTIVE_TIMEOUT: '1h',
      ...env,
    });
  }
  let interfaces: readonly string[];

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    interfaces = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`, '198.51.100.200/24'] },
      { namespace: server, addresses: [`${SERVER}/24`, '198.51.100.1/24'] },
    );
    [near, far] = interfaces as [string, string];
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const dig = (...args: readonly string[]): string =>
    lab.inside(client, 'dig', `@${SERVER}`, '-u', '+tries=1', '+time=1', '+nocookie', ...args);

  async function drained(): Promise<readonly FlowView[]> {
    await host.agent.drainNow();
    return host.flows;
  }

  async function flows(): Promise<{ queries: FlowView[]; responses: FlowView[] }> {
    await host.agent.drainNow();
    return {
      queries: host.flows.filter((flow) => flow.DnsQueries !== undefined),
      responses: host.flows.filter((flow) => flow.DnsId !== undefined),
    };
  }

  test.each([
    ['UDP', 17, []],
    ['TCP', 6, ['+tcp']],
  ])('a query and its answer over %s, each packet at two hooks', async (_name, proto, options) => {
    await start();
    const output = dig('www.Example.COM', 'A', ...options);
    const { queries, responses } = await flows();

    expect(host.agent.status().features).toEqual([{ name: 'dns', state: 'on' }]);
    expect(queries).toEqual([
      expect.objectContaining({ SrcAddr: CLIENT, DstPort: 53, Proto: proto, DnsQueries: 1 }),
    ]);
    const [query] = queries;
    expect(query).toMatchObject({ DnsRepeatedQueries: undefined, DnsLostQueries: undefined });
    expect(query).toMatchObject({ DnsErrno: undefined, DnsLatencyMs: undefined, DnsName: '' });
    expect(query?.Interfaces).toHaveLength(2);
    expect(responses).toEqual([
      expect.objectContaining({
        SrcAddr: SERVER,
        SrcPort: 53,
        Proto: proto,
        DnsId: Number(/id: (\d+)/.exec(output)![1]),
        DnsFlags: 0x8180,
        DnsFlagsResponseCode: 'NoError',
        DnsErrno: 0,
        DnsName: 'www.example.com',
        DnsQueryType: 'A',
        DnsAnswers: ['198.51.100.1'],
        DnsQueries: undefined,
      }),
    ]);
    expect(responses[0]?.Interfaces).toHaveLength(2);
    expect(responses[0]?.DnsLatencyMs).toBeGreaterThan(0);
    expect(responses[0]?.DnsLatencyMs).toBeLessThan(queryTimeMs(output));
  });

  test('latency is between that of the server and what the client sees', async () => {
    await start();
    const output = dig('slow.example', 'A');
    const { responses } = await flows();
    expect(responses[0]?.DnsLatencyMs).toBeGreaterThanOrEqual(SLOW_MS - 1);
    expect(responses[0]?.DnsLatencyMs).toBeLessThan(queryTimeMs(output));
  });

  const LONG = [...Array(3).fill('x'.repeat(63)), 'y'.repeat(61)].join('.');
  test.each([
    ['no such name', 'nx.example', 'A', 'NXDomain', 'A', []],
    ['a code without a name', 'code12.example', 'A', 'UnDefined', 'A', []],
    [
      'an alias, compressed',
      'alias.example',
      'A',
      'NoError',
      'A',
      ['198.51.100.1', '198.51.100.2'],
    ],
    ['IPv6', 'v6.example', 'AAAA', 'NoError', 'AAAA', ['2001:db8::1']],
    ['a type without a name', 'x.example', 'TYPE65280', 'NoError', 'TYPE65280', ['198.51.100.1']],
    ['a name of 255 bytes', LONG, 'A', 'NoError', 'A', ['198.51.100.1']],
    ['odd bytes', 'a\\.b\\000.example', 'A', 'NoError', 'A', ['198.51.100.1']],
    ['the root', '.', 'A', 'NoError', 'A', ['198.51.100.1']],
  ])('%s', async (_why, asked, type, code, typeName, answers) => {
    await start();
    dig(asked, type);
    const { responses } = await flows();
    expect(responses).toEqual([
      expect.objectContaining({
        DnsName: asked,
        DnsQueryType: typeName,
        DnsFlagsResponseCode: code,
        DnsAnswers: answers,
      }),
    ]);
  });

  test('an answer longer than a datagram comes by TCP, with all addresses', async () => {
    await start();
    dig('many.example', 'A', '+noedns');
    const { responses } = await flows();
    const answers = Array.from({ length: 60 }, (_, index) => `198.51.100.${index + 1}`);
    const [cut, whole] = responses.sort((a, b) => b.Proto - a.Proto);
    expect(cut).toMatchObject({ Proto: 17, DnsFlags: 0x8380, DnsAnswers: [] });
    expect(whole).toMatchObject({ Proto: 6, DnsFlags: 0x8180, DnsAnswers: answers });
  });

  test('flows to an address bear the name that it was looked up by', async () => {
    await start();
    dig('alias.example', 'A');
    await lab.tcp(client, server, {
      address: '198.51.100.1',
      port: 8080,
      sendBytes: 1000,
      replyBytes: 10,
    });
    await host.agent.drainNow();
    const [to] = host.flows.filter((flow) => flow.DstPort === 8080);
    const [from] = host.flows.filter((flow) => flow.SrcPort === 8080);
    expect(to).toMatchObject({ SrcDnsName: '', DstDnsName: 'alias.example' });
    expect(from).toMatchObject({ SrcDnsName: 'alias.example', DstDnsName: '' });
  });

  test('a flow bears the name that held when it began', async () => {
    await start();
    for (const [question, port] of [
      ['alias.example', 8080],
      ['many.example', 8081],
    ] as const) {
      dig(question, 'A');
      await lab.tcp(client, server, {
        address: '198.51.100.1',
        port,
        sendBytes: 1000,
        replyBytes: 10,
      });
    }
    await host.agent.drainNow();
    const named = host.flows.map(({ DstPort, DstDnsName }) => [DstPort, DstDnsName]);
    expect(named).toContainEqual([8080, 'alias.example']);
    expect(named).toContainEqual([8081, 'many.example']);
  });

  test('queries asked again, and never answered', async () => {
    await start();
    const question = { name: name('lost.example'), type: Type.A };
    const payload = message(7, 0x0100, [question]);
    const datagram = udp(payload.length, 40_000, 53);
    payload.copy(datagram, 8);
    const packet = ipv4(Proto.udp, datagram, { source: [10, 9, 0, 1], target: [10, 9, 0, 2] });
    const frame = ethernet(EtherType.ipv4, packet);
    await lab.frames(client, near, [frame, frame, frame]);
    const { queries } = await flows();
    expect(queries).toEqual([
      expect.objectContaining({ DnsQueries: 3, DnsRepeatedQueries: 2, DnsLostQueries: undefined }),
    ]);

    // The flow has been drained, so the loss is in a flow of its own.
    host.flows.length = 0;
    await expect.poll(drained, SOON).not.toEqual([]);
    expect(host.flows).toEqual([
      expect.objectContaining({
        SrcAddr: CLIENT,
        DstAddr: SERVER,
        SrcPort: 40_000,
        DstPort: 53,
        Proto: 17,
        Etype: 0x0800,
        Packets: 0,
        Bytes: 0,
        DnsLostQueries: 1,
        DnsName: 'lost.example',
        DnsQueryType: 'A',
        DnsQueries: undefined,
        Interfaces: [],
      }),
    ]);
    // Difference between the precise and the coarse clock, whose step is up to 10 ms.
    const apartMs = Number(host.flows[0]?.TimeFlowStartMs) - Number(queries[0]?.TimeFlowStartMs);
    expect(Math.abs(apartMs)).toBeLessThanOrEqual(11);
    host.flows.length = 0;
    await host.agent.drainNow();
    expect(host.flows).toEqual([]);
  });

  test('a loss is on its flow when that goes on', async () => {
    await start();
    const ask = async (id: number, label: string): Promise<void> => {
      const payload = message(id, 0x0100, [{ name: name(`${label}.example`), type: Type.A }]);
      const datagram = udp(payload.length, 40_000, 53);
      payload.copy(datagram, 8);
      const packet = ipv4(Proto.udp, datagram, { source: [10, 9, 0, 1], target: [10, 9, 0, 2] });
      await lab.frames(client, near, [ethernet(EtherType.ipv4, packet)]);
    };
    await ask(1, 'lost');
    await host.agent.drainNow();
    let id = 2;
    const lostOnes = async (): Promise<FlowView[]> => {
      await ask(id++, 'lost');
      return (await drained()).filter((flow) => flow.DnsLostQueries !== undefined);
    };
    await expect.poll(lostOnes, SOON).not.toEqual([]);
    const lost = host.flows.filter((flow) => flow.DnsLostQueries !== undefined);
    expect(lost).toHaveLength(1);
    expect(lost[0]).toMatchObject({ SrcPort: 40_000, DnsQueries: 1 });
  });

  test('IPv6', async () => {
    const ends = [
      [client, interfaces[0]!, 'fd00:9::1/64'],
      [server, interfaces[1]!, 'fd00:9::2/64'],
    ] as const;
    for (const [namespace, device, address] of ends) lab.address(namespace, device, address);
    await start({}, 53, 'fd00:9::2');
    lab.inside(client, 'dig', '@fd00:9::2', '+tries=1', '+nocookie', 'alias.example', 'AAAA');
    const { queries, responses } = await flows();
    expect(queries).toEqual([expect.objectContaining({ DstAddr: 'fd00:9::2', DnsQueries: 1 })]);
    expect(responses).toEqual([
      expect.objectContaining({
        DnsName: 'alias.example',
        DnsAnswers: ['2001:db8::1', '2001:db8::2'],
        DnsLatencyMs: expect.any(Number),
      }),
    ]);
  });

  test('another port, in addition to 53', async () => {
    await start({ DNS_TRACKING_PORT: '5353' }, 5353);
    dig('-p', '5353', 'www.example', 'A');
    const { queries, responses } = await flows();
    expect(queries).toEqual([expect.objectContaining({ DstPort: 5353, DnsQueries: 1 })]);
    expect(responses).toEqual([expect.objectContaining({ SrcPort: 5353, DnsName: 'www.example' })]);
  });

  test('a flood of answers is read as it comes, and drains no flows', async () => {
    await start();
    const question = { name: name('flood.example'), type: Type.A };
    const payload = message(7, 0x8180, [question]);
    const datagram = udp(payload.length, 53, 40_000);
    payload.copy(datagram, 8);
    const ends = { source: [10, 9, 0, 2], target: [10, 9, 0, 1] };
    const frame = ethernet(EtherType.ipv4, ipv4(Proto.udp, datagram, ends));
    // More than the ring holds; half of it would have caused a drain of the maps.
    const [batches, batch] = [10, 2000];
    for (let i = 0; i < batches; i++) await lab.frames(server, far, Array(batch).fill(frame));
    expect(host.flows).toEqual([]);
    await host.agent.drainNow();
    expect(host.flows.filter((flow) => flow.SrcPort === 53)).toEqual([
      expect.objectContaining({ Packets: batches * batch, DnsName: 'flood.example' }),
    ]);
    expect(host.agent.status().accounting?.incomplete).toMatchObject({ message_lost: 0 });
  });

  test('an answer that nobody asked for names nothing', async () => {
    await start();
    const question = { name: name('spoofed.example'), type: Type.A };
    const data = Buffer.of(10, 9, 0, 2);
    const payload = message(7, 0x8180, [question], [{ name: question.name, type: Type.A, data }]);
    const datagram = udp(payload.length, 53, 40_000);
    payload.copy(datagram, 8);
    const ends = { source: [10, 9, 0, 2], target: [10, 9, 0, 1] };
    await lab.frames(server, far, [ethernet(EtherType.ipv4, ipv4(Proto.udp, datagram, ends))]);
    await host.agent.drainNow();
    const [flow] = host.flows.filter(({ SrcPort }) => SrcPort === 53);
    expect(flow).toMatchObject({ DnsName: 'spoofed.example', DnsAnswers: [SERVER] });
    expect(flow).toMatchObject({ SrcDnsName: '', DstDnsName: '' });
  });

  test('datagrams too short for a header are shown by an error', async () => {
    await start();
    const source = { source: [10, 9, 0, 1], target: [10, 9, 0, 2] };
    const frame = ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(11, 40_001, 53), source));
    await lab.frames(client, near, [frame]);
    await host.agent.drainNow();
    expect(host.flows.filter((flow) => flow.DstPort === 53)).toEqual([
      expect.objectContaining({ DnsErrno: 22, DnsQueries: undefined, DnsId: undefined }),
    ]);
  });
});

/** From before it sends to after it has received, by a precise clock. */
function queryTimeMs(output: string): number {
  return Number(/Query time: (\d+) usec/.exec(output)![1]) / 1000;
}
