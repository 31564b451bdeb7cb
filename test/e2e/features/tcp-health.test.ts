/** The health of real connections, compared with the kernel's TCP counters. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 5001;

describe.skipIf(requireRoot())('TCP health', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let near: string;

  beforeEach(async () => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    const pair = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    near = pair[0];
    host = await startAgent({ INTERFACES: pair.join(), ENABLE_TCP_HEALTH: 'true' });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  async function flows(): Promise<{ requests: FlowView[]; answers: FlowView[] }> {
    await host.agent.drainNow();
    return {
      requests: host.flows.filter((flow) => flow.DstPort === PORT),
      answers: host.flows.filter((flow) => flow.SrcPort === PORT),
    };
  }

  function sum(of: readonly FlowView[], name: string): number {
    return of.reduce((total, flow) => total + Number(flow[name] ?? 0), 0);
  }

  const exchange = { address: SERVER, port: PORT, sendBytes: 3_000_000, replyBytes: 500_000 };

  function loseEvery(namespace: string, nth: number): void {
    for (const rule of [
      'add table inet t',
      'add chain inet t c { type filter hook input priority 0; }',
      `add rule inet t c tcp dport ${PORT} numgen inc mod ${nth} == 0 drop`,
      `add rule inet t c tcp sport ${PORT} numgen inc mod ${nth} == 0 drop`,
    ]) {
      lab.inside(namespace, 'nft', rule);
    }
  }

  test('what is sent again', async () => {
    loseEvery(server, 17);
    loseEvery(client, 17);

    await lab.tcp(client, server, exchange);

    const { requests, answers } = await flows();
    expect(lab.snmp(client, 'Tcp', 'RetransSegs')).toBeGreaterThan(3);
    expect(sum(requests, 'TcpRetransmissions')).toBe(lab.snmp(client, 'Tcp', 'RetransSegs'));
    expect(sum(answers, 'TcpRetransmissions')).toBe(lab.snmp(server, 'Tcp', 'RetransSegs'));
    expect(host.agent.status().features).toEqual([{ name: 'tcp-health', state: 'on' }]);
  });

  test('an answer to a SYN that is lost is sent again', async () => {
    const isAnswer = `tcp sport ${PORT} tcp flags & (syn | ack) == (syn | ack)`;
    for (const rule of [
      'add table inet t',
      'add chain inet t c { type filter hook input priority 0; }',
      `add rule inet t c ${isAnswer} numgen inc mod 2 == 0 drop`,
    ]) {
      lab.inside(client, 'nft', rule);
    }

    await lab.tcp(client, server, { ...exchange, sendBytes: 1000, replyBytes: 1000 });

    const { requests, answers } = await flows();
    expect(sum(requests, 'TcpRetransmissions')).toBe(lab.snmp(client, 'Tcp', 'RetransSegs'));
    expect(sum(answers, 'TcpRetransmissions')).toBe(lab.snmp(server, 'Tcp', 'RetransSegs'));
    expect(sum(answers, 'TcpRetransmissions')).toBeGreaterThan(0);
    expect(Number(requests[0]?.TcpHandshakeNs)).toBeGreaterThan(900e6);
  });

  test('connections that are refused, and the resets that say so', async () => {
    for (let attempt = 0; attempt < 5; attempt++) {
      expect(await lab.tryTcp(client, SERVER, PORT)).toBe(false);
    }

    const { requests, answers } = await flows();
    expect(requests).toHaveLength(5);
    expect(sum(requests, 'TcpFailedConnects')).toBe(lab.snmp(client, 'Tcp', 'AttemptFails'));
    expect(sum(requests, 'TcpFailedConnects')).toBe(5);
    expect(sum(answers, 'TcpResets')).toBe(lab.snmp(server, 'Tcp', 'OutRsts'));
    expect(sum(answers, 'TcpResets')).toBe(5);
    expect(requests.map((flow) => flow.TcpHandshakeNs)).toEqual(Array(5).fill(undefined));
  });

  test('a SYN that has to wait makes for a long handshake', async () => {
    await lab.tcp(client, server, { ...exchange, sendBytes: 1, replyBytes: 1 });
    const [quick] = (await flows()).requests;
    expect(Number(quick?.TcpHandshakeNs)).toBeGreaterThan(0);
    expect(Number(quick?.TcpHandshakeNs)).toBeLessThan(100e6);
    host.flows.length = 0;
    // 50 datagrams of 1042 bytes are ahead of it: 417 ms at this rate.
    const tbf = ['tbf', 'rate', '1mbit', 'burst', '2000', 'limit', '100000'];
    lab.inside(client, 'tc', 'qdisc', 'add', 'dev', near, 'root', ...tbf);
    await lab.cast(client, { address: SERVER, port: 9, count: 50, sizeBytes: 1000 });

    await lab.tcp(client, server, { ...exchange, sendBytes: 1, replyBytes: 1 });

    const { requests, answers } = await flows();
    const slow = Math.max(...requests.map((flow) => Number(flow.TcpHandshakeNs ?? 0)));
    expect(slow).toBeGreaterThan(200e6);
    expect(slow).toBeLessThan(1000e6);
    // The accepting side does not connect.
    expect(answers.every((flow) => flow.TcpHandshakeNs === undefined)).toBe(true);
  });

  test('what still waits to be sent is not sent again', async () => {
    // 60 datagrams of 1042 bytes are ahead of the SYN: 1.7 s, and it is sent again after one.
    const tbf = ['tbf', 'rate', '300kbit', 'burst', '2000', 'limit', '100000'];
    lab.inside(client, 'tc', 'qdisc', 'add', 'dev', near, 'root', ...tbf);
    await lab.cast(client, { address: SERVER, port: 9, count: 60, sizeBytes: 1000 });

    await lab.tcp(client, server, { ...exchange, sendBytes: 1, replyBytes: 1 });

    const { requests } = await flows();
    expect(lab.snmp(client, 'TcpExt', 'TCPSpuriousRtxHostQueues')).toBeGreaterThan(0);
    expect(lab.snmp(client, 'Tcp', 'RetransSegs')).toBe(0);
    expect(sum(requests, 'TcpRetransmissions')).toBe(0);
  });

  test('a receiver that does not read', async () => {
    // ACK, no SYN, FIN or RST, and a window of 0.
    const filter = `src port ${PORT} and tcp[13] & 7 = 0 and tcp[14:2] = 0`;
    const args = ['netns', 'exec', client, 'tcpdump', '--immediate-mode', '-lnni', near, filter];
    const witness = spawn('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let lines = 0;
    const seen = new Promise<void>((resolve) => {
      witness.stdout.on('data', (part: Buffer) => {
        lines += part.toString().match(/ win 0,/g)?.length ?? 0;
        // The first one, and answers to the sender's probes.
        if (lines > 2) resolve();
      });
    });
    await once(witness.stderr, 'data');

    await lab.stalledTcp(client, server, { ...exchange, sendBytes: 20_000_000 }, () => seen);
    await interrupt(witness);

    const { requests, answers } = await flows();
    expect(lines).toBeGreaterThan(2);
    expect(sum(answers, 'TcpZeroWindows')).toBe(lines);
    expect(sum(requests, 'TcpZeroWindows')).toBe(0);
  });
});

async function interrupt(child: ChildProcess): Promise<void> {
  const ended = once(child, 'close');
  child.kill('SIGINT');
  await ended;
}
