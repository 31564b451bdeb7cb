/** Maps that another program has loaded and pinned: EBPF_PROGRAM_MANAGER_MODE. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type PinnedDatapath, pinDatapath } from '../../support/kernel/pinned-datapath.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { type AgentHost, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const CLIENT = '10.11.0.1';
const SERVER = '10.11.0.2';
const PORT = 5001;

describe.skipIf(requireRoot())('maps of a program manager', () => {
  let lab: Lab;
  let client: string;
  let server: string;
  let device: string;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    const [near, far] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    device = near;
    lab.withoutOffloads(client, near);
    lab.withoutOffloads(server, far);
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
  });

  async function attach(pinned: PinnedDatapath): Promise<void> {
    const [link] = JSON.parse(ip('-n', client, '-j', 'link', 'show', device)) as [
      { ifindex: number },
    ];
    await pinned.attach(client, link.ifindex);
  }

  function start(
    { folder }: Pick<PinnedDatapath, 'folder'>,
    env: Record<string, string> = {},
  ): Promise<AgentHost> {
    return startAgent({
      INTERFACES: device,
      EBPF_PROGRAM_MANAGER_MODE: 'true',
      BPFMAN_BPF_FS_PATH: folder,
      ...env,
    });
  }

  async function exchange(): Promise<void> {
    await lab.tcp(client, server, {
      address: SERVER,
      port: PORT,
      sendBytes: 300_000,
      replyBytes: 1000,
    });
  }

  /** The agent's packets of the connection, against the interface's counters. */
  async function expectExact(host: AgentHost): Promise<void> {
    const before = await host.seen();
    const link = lab.counters(client, device);
    await exchange();
    const after = await host.seen();
    const moved = lab.counters(client, device);
    const sent = moved.txPackets - link.txPackets + (moved.rxPackets - link.rxPackets);
    expect(after.packets - before.packets).toBe(sent);
    const flows = host.flows.filter((flow) => flow.DstPort === PORT);
    expect(flows.length).toBeGreaterThan(0);
    expect(flows.every(({ Interfaces }) => Interfaces.join() === device)).toBe(true);
  }

  test.each([
    ['with their config', []],
    ['without it: the agent’s configuration tells', ['config']],
  ])('%s, every packet is seen; also by the next agent', async (_which, but) => {
    using pinned = pinDatapath({ ENABLE_RTT: 'true' }, but);
    await attach(pinned);
    const loaded = { ENABLE_RTT: 'true' };
    {
      await using first = await start(pinned, loaded);
      await expectExact(first);
      expect(first.agent.status()).toMatchObject({
        features: [{ name: 'rtt', state: 'on' }],
        interfaces: [{ name: device, mode: 'managed', directions: ['ingress', 'egress'] }],
      });
      expect(first.flows.some((flow) => Number(flow.TimeFlowRttNs) > 0)).toBe(true);
    }

    // Between agents the programs still count: nothing is lost or counted twice.
    await exchange();
    await using second = await start(pinned, loaded);
    await second.agent.drainNow();
    expect(second.flows.some((flow) => flow.DstPort === PORT)).toBe(true);
    await expectExact(second);
  });

  test('a loader that does not say which map is written to: the agent does, before it is up', async () => {
    using pinned = pinDatapath({});
    await pinned.emptyCurrent();
    await attach(pinned);
    await using host = await start(pinned, { CACHE_ACTIVE_TIMEOUT: '1h' });
    const unrecorded = () => host.accounting().unrecorded.map_error?.packets;
    const before = unrecorded();
    await exchange();
    await host.agent.drainNow();
    expect(unrecorded()).toBe(before);
    expect(host.flows.some((flow) => flow.DstPort === PORT)).toBe(true);
    await expectExact(host);
  });

  test('a feature that the programs were loaded without is said to be missing', async () => {
    using pinned = pinDatapath({});
    await attach(pinned);
    await using host = await start(pinned, { ENABLE_RTT: 'true' });
    await expectExact(host);
    expect(host.agent.status().features).toEqual([
      { name: 'rtt', state: 'unavailable', why: 'the programs were loaded without it' },
    ]);
  });

  test.each(['flows_a', 'flows_b', 'current', 'inserted', 'stats', 'wake'])(
    'without %s it does not start, and says so',
    async (map) => {
      using pinned = pinDatapath({}, [map]);
      await expect(start(pinned)).rejects.toMatchObject({
        code: 'ERR_AGENT_PINNED',
        message: expect.stringContaining(`map ${map} is not pinned in ${pinned.folder}`),
        details: { map },
      });
    },
  );

  test('entries of another size are those of another configuration or build', async () => {
    using pinned = pinDatapath({}, ['config']);
    await expect(start(pinned, { ENABLE_RTT: 'true' })).rejects.toMatchObject({
      code: 'ERR_AGENT_LAYOUT',
      message: expect.stringMatching(/flows_a has .* values of 104 bytes, expected 40 and 112/),
    });
  });

  test('a folder that is not there is named', async () => {
    await expect(start({ folder: '/nowhere/maps' })).rejects.toMatchObject({
      code: 'ERR_AGENT_PINNED',
      message: expect.stringContaining('/nowhere/maps'),
    });
  });
});
