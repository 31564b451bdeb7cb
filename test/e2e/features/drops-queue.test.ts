/** Packets dropped by a queueing discipline, compared with its own counters. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import type { AgentHost, FlowView } from '../../support/processes/agent-host.ts';
import { startAgent } from '../../support/processes/agent-host.ts';
import { isInitHidden, requireRoot } from '../../support/require.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 5001;
/** Ethernet, IPv4 and UDP headers. */
const UDP_OVERHEAD_BYTES = 42;

describe.skipIf(requireRoot())('drops of a queue', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let near: string;

  beforeEach(async () => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    let far: string;
    [near, far] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    // Resolves addresses before anything is dropped.
    await lab.udp(client, server, { address: SERVER, port: PORT, count: 1, sizeBytes: 100 });
    host = await startAgent({ INTERFACES: `${near},${far}`, ENABLE_PKT_DROPS: 'true' });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  /** Flows to the server's port with drops. */
  async function dropped(port: number): Promise<FlowView[]> {
    await host.agent.drainNow();
    return host.flows.filter((flow) => flow.DstPort === port && flow.PktDropPackets !== undefined);
  }

  function limit(...bucket: readonly string[]): void {
    lab.inside(client, 'tc', 'qdisc', 'add', 'dev', near, 'root', 'tbf', ...bucket);
  }

  test('a full queue drops what is sent', async () => {
    limit('rate', '1mbit', 'burst', '3000', 'limit', '4000');
    // A program receives what gets through, so that nothing is dropped there.
    await lab.resident(server);
    await lab.cast(client, { address: SERVER, port: 9, count: 500, sizeBytes: 1000 });

    const flows = await dropped(9);
    const text = lab.inside(client, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', near, 'root');
    const [qdisc] = JSON.parse(text) as [{ drops: number }];
    expect(qdisc.drops).toBeGreaterThan(100);
    const packets = flows.reduce((sum, flow) => sum + Number(flow.PktDropPackets), 0);
    expect(packets).toBe(qdisc.drops);
    expect(flows[0]?.PktDropLatestDropCause).toMatch(/^SKB_DROP_REASON_QDISC_/);
    expect(flows[0]?.PktDropBytes).toBe(packets * (1000 + UDP_OVERHEAD_BYTES));
  });

  /** A transfer through the queue: its flows, and what of them did not leave the queue. */
  async function transfer() {
    host.flows.length = 0;
    const before = lab.queueCounters(client, near);
    await lab.tcp(client, server, {
      address: SERVER,
      port: PORT,
      sendBytes: 4_000_000,
      replyBytes: 1,
    });
    // The queue counts the packets it passes; waiting ones are neither sent nor dropped.
    await expect.poll(() => lab.queueBacklogBytes(client, near)).toBe(0);
    const flows = await dropped(PORT);
    const after = lab.queueCounters(client, near);
    const sum = (name: string) => flows.reduce((total, flow) => total + Number(flow[name]), 0);
    return {
      flows,
      drops: { packets: sum('PktDropPackets'), bytes: sum('PktDropBytes') },
      lost: {
        packets: sum('Packets') - (after.packets - before.packets),
        bytes: sum('Bytes') - (after.bytes - before.bytes),
      },
    };
  }

  test('packets that wait for segmentation are dropped by segments', async () => {
    limit('rate', '50mbit', 'burst', '80000', 'limit', '90000');
    let result = await transfer();
    // A drop in an interrupt of a hidden process is missed: one of four transfers has none.
    for (let left = isInitHidden() ? 3 : 0; left > 0; left--) {
      if (result.drops.packets >= result.lost.packets) break;
      result = await transfer();
    }

    const { flows, drops, lost } = result;
    expect(drops.packets).toBeGreaterThan(100);
    // The receiver drops duplicates and packets outside its window: a few more.
    expect(drops.packets).toBeGreaterThanOrEqual(lost.packets);
    expect(drops.packets).toBeLessThan(lost.packets * 1.05);
    expect(drops.bytes).toBeGreaterThanOrEqual(lost.bytes);
    expect(drops.bytes).toBeLessThan(lost.bytes * 1.05);
    // The sender has sent its FIN while much of its data still waits. The receiver, which drops
    // duplicates, may also have seen the FIN.
    expect(flows[0]?.PktDropLatestState).toMatch(/^TCP_(ESTABLISHED|FIN_WAIT1|CLOSE_WAIT)$/);
    expect(Number(flows[0]?.PktDropLatestFlags) & 16).toBe(16);
  });
});
