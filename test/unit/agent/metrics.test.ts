import { expect, test } from 'vitest';
import { createPacketExporter } from '../../../src/agent/capture/exporters.ts';
import { createPacketAgent } from '../../../src/agent/capture/root.ts';
import { createExporter } from '../../../src/agent/export/exporters.ts';
import type { HookTarget } from '../../../src/agent/loader/hook.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { createAgent } from '../../../src/agent/root.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { FakeKernel } from '../../support/kernel/fake-kernel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

const MINUTE_MS = 60_000;

function interfaceEvents() {
  const metrics = createMetrics('');
  const clock = new ManualClock();
  const { interfaceEvent } = createAgentMetrics(metrics, 'trace!', clock);
  return {
    clock,
    event(index: number): void {
      const name = `veth${index}`;
      const target: HookTarget = {
        ...{ netns: undefined, namespace: '', index, name, mac: '', framing: 'l2' },
      };
      interfaceEvent('attach_tcx', target, 0);
    },
    async seen(): Promise<readonly string[]> {
      const text = await metrics.registry.getSingleMetricAsString('interface_events_total');
      return [...text.matchAll(/ifname="(\w+)".* (\d+)$/gm)].map(([, name, value]) => {
        return `${name} ${value}`;
      });
    },
  };
}

test('trace!: an interface of which nothing was heard for five minutes has no series', async () => {
  const { clock, event, seen } = interfaceEvents();
  event(1);
  event(2);
  clock.jump(3 * MINUTE_MS);
  event(1);
  clock.jump(2 * MINUTE_MS - 1);
  expect(await seen()).toEqual(['veth1 2', 'veth2 1']);
  clock.jump(1);
  expect(await seen()).toEqual(['veth1 2']);
  clock.jump(3 * MINUTE_MS);
  expect(await seen()).toEqual([]);
  event(1);
  expect(await seen()).toEqual(['veth1 1']);
});

test('trace!: interfaces that come faster than they expire are bounded', async () => {
  const { event, seen } = interfaceEvents();
  for (let index = 0; index < 5000; index++) event(index);
  const names = await seen();
  expect(names).toHaveLength(4096);
  expect(names.at(-1)).toBe('veth4999 1');
});

/** Metrics of `netobserv-ebpf-agent`: name, type, labels. */
const ORIGINAL: readonly (readonly [name: string, type: string, labels: readonly string[]])[] = [
  ['evictions_total', 'counter', ['source', 'reason']],
  ['evicted_flows_total', 'counter', ['source', 'reason']],
  ['evicted_packets_total', 'counter', ['source', 'reason']],
  ['lookup_and_delete_map_duration_seconds', 'histogram', []],
  ['dropped_flows_total', 'counter', ['source', 'reason']],
  ['filtered_flows_total', 'counter', ['source', 'reason']],
  ['network_events_total', 'counter', ['source', 'reason']],
  ['buffer_size', 'gauge', ['name']],
  ['iface_buffer_size', 'gauge', ['name']],
  ['exported_batch_total', 'counter', ['exporter']],
  ['sampling_rate', 'gauge', []],
  ['errors_total', 'counter', ['component', 'error', 'severity']],
  ['interface_events_total', 'counter', ['type', 'ifname', 'ifindex', 'netns', 'mac', 'retries']],
  ['openssl_data_events_total', 'counter', ['openssl_type']],
];

/** Metrics of a running agent and of its exporter, which sends to nobody. */
async function running(env: Readonly<Record<string, string>>): Promise<Metrics> {
  const target = { TARGET_HOST: '127.0.0.1', TARGET_PORT: '9', AGENT_IP: '192.0.2.1' };
  const config = agentConfig({ ...target, ...env });
  const metrics = createMetrics(config.metricsPrefix);
  const shared = { log: createLog('silent'), metrics, clock: new ManualClock() };
  const exporting = { ...shared, random: () => 0, stdout: process.stdout };
  const kernel = {
    native: new FakeKernel(),
    object: new Uint8Array(0),
    namespaceDirectory: '/nonexistent/netns',
    processDirectory: '/nonexistent/proc',
  };
  const makeFlows = async () => {
    const columns = agentColumns();
    const exporter = await createExporter(config, {
      ...{ ...exporting, tables: new TableSpace(), columns },
    });
    const { take, emit } = exporter;
    return createAgent(config, { ...shared, ...kernel, take, emit });
  };
  const agent = config.enablePca
    ? createPacketAgent(config, {
        ...shared,
        ...kernel,
        exporter: await createPacketExporter(config, exporting),
      })
    : await makeFlows();
  await agent.start(new AbortController().signal);
  await agent.stop();
  return metrics;
}

test.each([
  ['flows', {}],
  ['packets', { ENABLE_PCA: 'true', FLOW_FILTER_RULES: 'port=80' }],
])('an agent of %s has every metric of the original, with its type and labels', async (_, env) => {
  const { registry } = await running(env);
  for (const [name, type, labelNames] of ORIGINAL) {
    const family = registry.getSingleMetric(`ebpf_agent_${name}`);
    expect(family, name).toMatchObject({ type, labelNames });
  }
});

test('drains are timed by the buckets of the original', async () => {
  const { registry } = await running({});
  const text = await registry.getSingleMetricAsString(
    'ebpf_agent_lookup_and_delete_map_duration_seconds',
  );
  const bounds = [...text.matchAll(/le="([^"]+)"/g)].map(([, bound]) => bound);
  expect(bounds).toEqual([...['0.001', '0.01', '0.1', '1', '10', '100', '1000', '10000', '+Inf']]);
});

/** Series that `netobserv-ebpf-agent` has from its start, all 0. */
const FROM_THE_START = [
  ...['CannotCreateFlowsHashMap', 'CannotUpdateFlowsHashMap', 'CannotUpdateDNSHashMap'].map(
    (reason) => `dropped_flows_total{source="flow-fetcher",reason="${reason}"}`,
  ),
  ...['FilterReject', 'FilterAccept', 'FilterNoMatch'].map(
    (reason) => `filtered_flows_total{source="flow-filtering",reason="${reason}"}`,
  ),
  ...['Errors', 'ErrorsGroupIDMismatch', 'ErrorsFlowMapUpdate', 'GoodEvent'].map(
    (reason) => `network_events_total{source="network-events",reason="NetworkEvents${reason}"}`,
  ),
  'errors_total{component="flow-fetcher",error="MaxObservedInterfacesReached",severity="low"}',
  'errors_total{component="network-events",error="EventsOverflow",severity="medium"}',
  'errors_total{component="network-events",error="CookieTooBig",severity="medium"}',
];

/** Our own series; alerts are about the same. */
const OURS_FROM_THE_START = [
  'dropped_flows_total{source="limiter",reason="full"}',
  'errors_total{component="InterfaceEvents",error="AttachIngress:CantAttachTCX",severity="low"}',
  ...['refused', 'expired', 'timeout', 'unanswered', 'full', 'closing'].flatMap((reason) => [
    `dropped_flows_total{source="grpc",reason="${reason}"}`,
    `exporter_lost_flows_total{exporter="grpc",reason="${reason}"}`,
  ]),
  ...['not_ip', 'malformed', 'sampled_out', 'filtered', 'pipeline_full'].map(
    (reason) => `unrecorded_packets_total{reason="${reason}"}`,
  ),
  ...['message_lost', 'table_full', 'flow_lost'].map(
    (reason) => `incomplete_packets_total{reason="${reason}"}`,
  ),
];

test.each([
  ['flows', {}],
  ['packets', { ENABLE_PCA: 'true', FLOW_FILTER_RULES: 'port=80' }],
])('an agent of %s has the series of all known labels from its start', async (_, env) => {
  const { registry } = await running(env);
  const lines = new Set((await registry.metrics()).split('\n'));
  const wanted = [...FROM_THE_START, ...OURS_FROM_THE_START];
  expect(wanted.filter((series) => !lines.has(`ebpf_agent_${series} 0`))).toEqual([]);
});
