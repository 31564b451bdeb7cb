/** Loads, attaches and detaches the programs of every way for a feature to reach the kernel. */
import { describe, expect, test } from 'vitest';
import { drops } from '../../../src/agent/features/drops.ts';
import { type FeatureSpec, waysOf } from '../../../src/agent/features/feature.ts';
import { processes } from '../../../src/agent/features/processes.ts';
import { rtt } from '../../../src/agent/features/rtt.ts';
import { FEATURES } from '../../../src/agent/features/table.ts';
import { tcpHealth } from '../../../src/agent/features/tcp-health.ts';
import { tunnels } from '../../../src/agent/features/tunnels.ts';
import { Lab } from '../../support/lab/netns.ts';
import { agentConfig, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { type DatapathOptions, HOOKS, loadDatapath, native } from '../datapath/datapath.ts';

const WAYS = [rtt, drops, tcpHealth, processes].flatMap((spec) =>
  waysOf(spec, agentConfig()).map((way, index) => ({
    spec,
    way,
    name: `${spec.name}, way ${index + 1}`,
  })),
);

function extensionsOf({ extension }: FeatureSpec): DatapathOptions {
  return extension === undefined ? {} : { extensions: [extension] };
}

describe.skipIf(requireRoot())('ways', () => {
  test.each(WAYS)('$name', async ({ spec, way }) => {
    const datapath = loadDatapath({
      programs: [...HOOKS, ...way.map(({ program }) => program)],
      ...extensionsOf(spec),
    });
    try {
      const ids = way.map((probe) => native.attachProbe(datapath, probe));
      expect(new Set(ids).size).toBe(way.length);
      for (const id of ids) await native.detach(datapath, id);
    } finally {
      native.close(datapath);
    }
  });

  const kprobes = FEATURES.flatMap((spec) =>
    waysOf(spec, agentConfig())
      .filter((way) => way.some(({ program }) => program.endsWith('_kprobe')))
      .map((way) => ({ spec, way, name: spec.name })),
  );

  // This does not test attaching: not every kernel has kprobes.
  test.each(kprobes)('kprobes of $name: the verifier takes them', ({ spec, way }) => {
    const programs = [...HOOKS, ...way.map(({ program }) => program)];
    const datapath = loadDatapath({ programs, ...extensionsOf(spec) });
    for (const { program } of way) expect(native.programStats(datapath, program).runs).toBe(0);
    native.close(datapath);
  });

  test('all at once', async () => {
    await using lab = new Lab();
    const client = lab.namespace('client');
    const server = lab.namespace('server');
    const interfaces = lab.pair(
      { namespace: client, addresses: ['10.9.0.1/24'] },
      { namespace: server, addresses: ['10.9.0.2/24'] },
    );
    const features = [rtt, drops, tcpHealth, processes, tunnels];
    const on = Object.fromEntries(features.map(({ variable }) => [variable, 'true']));
    await using host = await startAgent({ INTERFACES: interfaces.join(), ...on });
    const exchange = { address: '10.9.0.2', port: 5001, sendBytes: 100_000, replyBytes: 1000 };

    await lab.tcp(client, server, exchange);
    await lab.cast(client, { address: '10.9.0.2', port: 5002, count: 5, sizeBytes: 10 });
    await host.agent.drainNow();

    const states = features.map(({ name }) => ({ name, state: 'on' }));
    expect(host.agent.status().features).toEqual(states);
    const [there] = host.flows.filter((flow) => flow.DstPort === 5001);
    const [back] = host.flows.filter((flow) => flow.SrcPort === 5001);
    const [unwanted] = host.flows.filter((flow) => flow.DstPort === 5002);
    expect(there).toMatchObject({ ProcessName: 'traffic', TunnelType: '' });
    expect(there!.TcpHandshakeNs).toBeGreaterThan(0);
    expect(back).toMatchObject({ ProcessName: 'traffic' });
    expect(back!.TimeFlowRttNs).toBeGreaterThan(0);
    expect(back!.ProcessId).not.toBe(there!.ProcessId);
    expect(unwanted).toMatchObject({
      PktDropPackets: 5,
      PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET',
    });
  });
});
