import { expect, test } from 'vitest';
import type { Feature } from '../../../src/flow/field.ts';
import { defaultPipeline } from '../../../src/pipeline/defaults.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

const EGRESS = '1';
const INGRESS = '0';

/** Flow metrics by name. */
function metricsOf(...features: Feature[]): Readonly<Record<string, unknown>> {
  const { parameters } = defaultPipeline({ prefix: 'n_', features: new Set(features) });
  const stage = parameters.find(({ name }) => name === 'prometheus') as unknown as {
    encode: { prom: { metrics: readonly { readonly name: string }[] } };
  };
  return Object.fromEntries(stage.encode.prom.metrics.map((metric) => [metric.name, metric]));
}

test('traffic is counted by direction; flows within the node count for both', () => {
  const metrics = metricsOf();
  const not = (value: string) => [{ key: 'FlowDirection', value, type: 'not_equal' }];
  expect(metrics.node_ingress_bytes_total).toMatchObject({
    type: 'counter',
    valueKey: 'Bytes',
    labels: ['AgentIP', 'SrcSubnetLabel', 'DstSubnetLabel'],
    filters: not(EGRESS),
  });
  expect(metrics.node_egress_packets_total).toMatchObject({
    valueKey: 'Packets',
    filters: not(INGRESS),
  });
  expect(metrics.node_flows_total).toMatchObject({ type: 'counter', filters: [] });
  expect(metrics.node_flows_total).not.toHaveProperty('valueKey');
});

test('a feature that is off has no metrics', () => {
  expect(metricsOf()).not.toHaveProperty('node_rtt_seconds');
  expect(metricsOf('flowRTT')).toHaveProperty('node_rtt_seconds');
  expect(metricsOf('flowRTT')).not.toHaveProperty('node_drop_bytes_total');
});

test.each([
  ['node_rtt_seconds', 'flowRTT', 'TimeFlowRttNs', 1e9],
  ['node_dns_latency_seconds', 'dnsTracking', 'DnsLatencyMs', 1000],
  ['node_tcp_handshake_seconds', 'tcpHealth', 'TcpHandshakeNs', 1e9],
] as const)('%s is a histogram in seconds', (name, feature, field, scale) => {
  expect(metricsOf(feature)[name]).toMatchObject({
    type: 'histogram',
    valueKey: field,
    valueScale: scale,
    filters: [{ key: field, type: 'presence' }],
  });
});

test('a metric of some flows only counts those', () => {
  expect(metricsOf('tunnels').node_tunnel_bytes_total).toMatchObject({
    type: 'counter',
    valueKey: 'Bytes',
    filters: [{ key: 'TunnelType', type: 'presence' }],
  });
});

test('the pipeline of all features is accepted', () => {
  const features = new Set<Feature>([
    ...(['pktDrop', 'dnsTracking', 'flowRTT', 'tcpHealth', 'processes', 'tunnels'] as const),
  ]);
  expect(() => testPipeline(defaultPipeline({ prefix: 'n_', features }))).not.toThrow();
});
