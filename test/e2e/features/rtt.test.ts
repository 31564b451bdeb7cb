/** Round-trip times of real connections, compared with the kernel's values of its sockets. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { echoClient, echoServer } from '../../support/lab/echo.ts';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 5001;
const CONNECTIONS = 4;

describe.skipIf(requireRoot())('round-trip times', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let device: string;

  beforeEach(async () => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    const [near, far] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    device = near;
    host = await startAgent({ INTERFACES: `${near},${far}`, ENABLE_RTT: 'true' });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  test('a full queue in front of the peer shows in the flows of its answers', async () => {
    const exchange = { address: SERVER, port: PORT, sendBytes: 2_000_000, replyBytes: 1000 };
    const exchangeNs = async (): Promise<number> => {
      const startMs = performance.now();
      await lab.tcp(client, server, exchange);
      return (performance.now() - startMs) * 1e6;
    };
    const quickNs = await exchangeNs();
    await host.agent.drainNow();
    const answers = () => host.flows.filter((flow) => flow.SrcPort === PORT);
    const quick = Math.max(...answers().map((flow) => Number(flow.TimeFlowRttNs ?? 0)));
    const shortest = Math.min(...answers().map((flow) => Number(flow.TimeFlowRttMinNs)));
    host.flows.length = 0;
    // 64 kB wait for 26 ms at this rate.
    const tbf = ['tbf', 'rate', '20mbit', 'burst', '10000', 'limit', '64000'];
    lab.inside(client, 'tc', 'qdisc', 'add', 'dev', device, 'root', ...tbf);

    const slowNs = await exchangeNs();
    await host.agent.drainNow();

    const slow = Math.max(...answers().map((flow) => Number(flow.TimeFlowRttNs ?? 0)));
    expect(host.agent.status().features).toEqual([{ name: 'rtt', state: 'on' }]);
    expect(quick).toBeGreaterThan(0);
    expect(quick).toBeLessThan(quickNs);
    // The queue takes that long to empty, and longer on a busy machine.
    expect(slow).toBeGreaterThan(10e6);
    expect(slow).toBeLessThan(slowNs);
    expect(slow).toBeGreaterThan(shortest);
    const [first] = answers();
    expect(Number(first?.TimeFlowRttMinNs)).toBeLessThanOrEqual(slow);
  });

  test('of several connections, each has what the kernel tells of its socket', async () => {
    await lab.script(server, echoServer(PORT));
    const talk = await lab.script(client, echoClient(SERVER, PORT, CONNECTIONS));
    await talk.ask('hello');
    const before = socketsOf(client);
    // The kernel reports a segment before it learns from it: this one reports what `ss` has seen.
    await talk.ask('again');
    const after = socketsOf(client);
    await host.agent.drainNow();

    expect(before.size).toBe(CONNECTIONS);
    for (const [port, socket] of before) {
      const answers = host.flows.filter((flow) => flow.SrcPort === PORT && flow.DstPort === port);
      expect(answers).toHaveLength(1);
      const { TimeFlowRttNs, TimeFlowRttMinNs } = answers[0] as FlowView;
      expect(TimeFlowRttNs).toBeGreaterThanOrEqual(socket.smoothedUs * 1000);
      expect(TimeFlowRttMinNs).toBeLessThanOrEqual(socket.shortestUs * 1000);
      expect(TimeFlowRttMinNs).toBeGreaterThanOrEqual(after.get(port)!.shortestUs * 1000);
    }
  });

  /** By the client's port; the kernel has whole microseconds. */
  function socketsOf(
    namespace: string,
  ): Map<number, { readonly smoothedUs: number; readonly shortestUs: number }> {
    const text = lab.inside(namespace, 'ss', '-tinH', 'dst', SERVER);
    const sockets = text.matchAll(/:(\d+)\s+\S+:5001.*\n.* rtt:([\d.]+)\/.* minrtt:([\d.]+)/g);
    return new Map(
      [...sockets].map(([, port, smoothed, shortest]) => [
        Number(port),
        {
          smoothedUs: Math.floor(Number(smoothed) * 1000),
          shortestUs: Math.round(Number(shortest) * 1000),
        },
      ]),
    );
  }
});
