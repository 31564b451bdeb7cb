/**
 * Network events and IPsec in entries, as the kernel's programs write them. Not every kernel has
 * their own hook points, so marked packets that a firewall drops replace them.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { Connections } from '../../../src/agent/connections/connections.ts';
import { DrainBuffer } from '../../../src/agent/drain/buffer.ts';
import { decodeFlows } from '../../../src/agent/drain/decode.ts';
import {
  eventMetrics,
  flowMetrics,
  ipsecMetrics,
  config as layout,
} from '../../../src/agent/drain/layout.gen.ts';
import { MessageReader } from '../../../src/agent/drain/messages.ts';
import { EventReader } from '../../../src/agent/features/events.ts';
import type { FeatureReaderDeps } from '../../../src/agent/features/feature.ts';
import { ipsec } from '../../../src/agent/features/ipsec.ts';
import { FEATURES } from '../../../src/agent/features/table.ts';
import { parseFilterRules } from '../../../src/agent/filters/parse.ts';
import { InterfaceNames } from '../../../src/agent/interfaces/names.ts';
import { configureFilter, filterSections } from '../../../src/agent/loader/filter-rules.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { kernelMonotonicMs, systemClock } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { Lab } from '../../support/lab/netns.ts';
import { FakeOvsdb } from '../../support/net/fake-ovsdb.ts';
import {
  agentConfig,
  type FlowView,
  startAgent,
  takeBatch,
  viewFlows,
} from '../../support/processes/agent-host.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';
import { FLOWS_MAX, native } from '../datapath/datapath.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
/** Packets with marks 1 to 6 in turn, and with mark 1 alone. */
const MIXED_PORT = 2000;
const PLAIN_PORT = 2001;
const ROUNDS = 3;
const PAYLOAD_BYTES = 100;
/** Ethernet, IPv4 and UDP. */
const WIRE_BYTES = 14 + 20 + 8 + PAYLOAD_BYTES;

const EVENTS_AT = flowMetrics.sizeBytes;
const IPSEC_AT = EVENTS_AT + eventMetrics.sizeBytes;
const VALUE_BYTES = IPSEC_AT + ipsecMetrics.sizeBytes;

function load(filterRules = ''): BpfObject {
  const config = Buffer.alloc(layout.sizeBytes);
  config.writeUInt16LE(EVENTS_AT, layout.eventsAt);
  config.writeUInt16LE(IPSEC_AT, layout.ipsecAt);
  const { rules } = parseFilterRules(filterRules);
  configureFilter(new DataView(config.buffer, config.byteOffset, config.length), rules);
  const programs = ['test_sampled', 'test_ipsec'];
  const object = native.load(readFileSync(join(ROOT, 'build/bpf/probes_test.bpf.o')), {
    config,
    data: filterSections(rules),
    maxEntries: { flows_a: FLOWS_MAX, flows_b: FLOWS_MAX, ipsec_packets: 64 },
    valueBytes: { flows_a: VALUE_BYTES, flows_b: VALUE_BYTES, current: VALUE_BYTES },
    programs,
  });
  for (const program of programs) native.attachProbe(object, { program });
  return object;
}

/** OVN's objects for a policy that a sample refers to. */
function policy(north: FakeOvsdb, point: number, action: string, name: string): void {
  const sample = north.set('Sample', { metadata: point });
  const ids = [
    ['k8s.ovn.org/owner-type', 'NetworkPolicy'],
    ['k8s.ovn.org/name', `shop:${name}`],
    ['direction', 'Ingress'],
  ];
  north.set('ACL', {
    action,
    external_ids: ['map', ids],
    sample_new: ['uuid', sample],
    sample_est: ['set', []],
  });
}

describe.skipIf(requireRoot() || requireProgram('/usr/sbin/nft'))('policies and IPsec', () => {
  let lab: Lab;
  let client: string;
  let server: string;
  let object: BpfObject;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    const rules = [
      `udp dport ${MIXED_PORT} meta mark set numgen inc mod 6 offset 1 drop`,
      `udp dport ${PLAIN_PORT} meta mark set 1 drop`,
    ].map((rule) => `add rule ip t c ${rule}`);
    const chain = 'add table ip t; add chain ip t c { type filter hook input priority 0; }';
    lab.inside(server, 'nft', [chain, ...rules].join('; '));
    object = load();
  });
  afterEach(async () => {
    native.close(object);
    await lab[Symbol.asyncDispose]();
  });

  async function entries(): Promise<{ buffer: DrainBuffer; length: number }> {
    for (const [port, count] of [
      [MIXED_PORT, 6 * ROUNDS],
      [PLAIN_PORT, 1],
    ] as const) {
      await lab.udp(client, server, { address: SERVER, port, count, sizeBytes: PAYLOAD_BYTES });
    }
    const buffer = new DrainBuffer(FLOWS_MAX, VALUE_BYTES);
    const map = (await native.swap(object)) === 0 ? 'flows_a' : 'flows_b';
    const length = await native.drain(object, map, buffer.keys, buffer.values);
    return { buffer, length };
  }

  function depsOf(metrics = createMetrics('')): FeatureReaderDeps {
    const declared = createAgentMetrics(metrics, 'info');
    return {
      native,
      object,
      clock: systemClock,
      log: createLog('silent'),
      metrics: declared,
      config: agentConfig(),
      kernelMonotonicMs,
      messages: new MessageReader(native, object, declared),
      offsetOf: () => 0,
      takesEmptyFlows: false,
      connections: new Connections({ flowsMax: FLOWS_MAX, idleMs: 0, metrics: declared }),
    };
  }

  type Decode = ReturnType<NonNullable<typeof ipsec.reader>>['decode'];

  function flowsOf(
    { buffer, length }: { buffer: DrainBuffer; length: number },
    decode: Decode,
  ): Record<number, FlowView> {
    const batch = takeBatch();
    const names = new InterfaceNames();
    const facts = { reason: '' as const, names, agentIp: '', bootOffsetMs: 0, nowMs: 0 };
    decodeFlows(buffer, length, batch, facts);
    decode(buffer, length, batch, facts);
    return Object.fromEntries(viewFlows(batch).map((flow) => [flow.DstPort, flow]));
  }

  test('flows have the events of their policies, each once, and drops by policies', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-ovn-'));
    await using north = new FakeOvsdb(join(folder, 'north'));
    await using local = new FakeOvsdb(join(folder, 'local'));
    policy(north, 1, 'allow', 'web');
    policy(north, 2, 'drop', 'deny');
    policy(north, 3, 'allow', 'web');
    north.set('Sample_Collector', { set_id: 42 });
    const bridge = local.set('Bridge', { name: 'br-int' });
    await north.start();
    await local.start();
    const metrics = createMetrics('');
    const sockets = { north: north.path, local: local.path };
    const reader = new EventReader(depsOf(metrics), EVENTS_AT, sockets);
    const found = await entries();
    const flows = (): Record<number, FlowView> =>
      flowsOf(found, (buffer, length, batch) => reader.decode(buffer, length, batch));
    const named = {
      Feature: 'acl',
      Type: 'NetworkPolicy',
      Namespace: 'shop',
      Direction: 'Ingress',
    };
    const allowed = { ...named, Action: 'allow', Name: 'web' };

    await expect.poll(() => flows()[PLAIN_PORT]?.NetworkEvents).toEqual([allowed]);

    expect(flows()[MIXED_PORT]).toMatchObject({
      NetworkEvents: [
        allowed,
        { ...named, Action: 'drop', Name: 'deny' },
        { Message: `unknown sample: domain ${0x02000000}, point 4` },
      ],
      PktDropPackets: ROUNDS,
      PktDropBytes: ROUNDS * WIRE_BYTES,
      PktDropLatestDropCause: 'NetworkEvent_NetworkPolicy',
    });
    expect(flows()[PLAIN_PORT]?.PktDropPackets).toBeUndefined();
    reader.finish();
    const text = await metrics.registry.metrics();
    // Four of six kinds fit the flow.
    expect(text).toMatch(new RegExp(`NetworkEventsGoodEvent"} ${4 * ROUNDS + 1}\n`));
    expect(text).toMatch(new RegExp(`NetworkEventsErrorsOverflow"} ${2 * ROUNDS}\n`));
    const collector = {
      id: 42,
      bridge: ['uuid', bridge],
      local_group_id: 10,
      external_ids: ['map', [['owner', 'netobservAgent']]],
    };
    await expect.poll(() => local.rows('Flow_Sample_Collector_Set')).toEqual([collector]);
    await reader.stop();
    expect(local.rows('Flow_Sample_Collector_Set')).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test('one failure of IPsec makes a flow one of errors', async () => {
    const reader = ipsec.reader!(depsOf(), IPSEC_AT);
    const flows = flowsOf(await entries(), (...all) => reader.decode(...all));

    expect(flows[MIXED_PORT]).toMatchObject({ IPSecStatus: 'error', IPSecRetCode: -1 });
    expect(flows[PLAIN_PORT]).toMatchObject({ IPSecStatus: 'success', IPSecRetCode: 0 });
  });

  test('with filter rules, flows that no hook sees are those that rules want', async () => {
    native.close(object);
    object = load(`port=${MIXED_PORT}`);
    const reader = ipsec.reader!(depsOf(), IPSEC_AT);
    const flows = flowsOf(await entries(), (...all) => reader.decode(...all));

    expect(Object.keys(flows)).toEqual([String(MIXED_PORT)]);
    expect(flows[MIXED_PORT]).toMatchObject({ IPSecStatus: 'error', Packets: 0 });
  });
});

describe.skipIf(requireRoot())('features that a kernel does not have', () => {
  test('are each left out with one line, and the rest runs', async () => {
    await using lab = new Lab();
    const client = lab.namespace('client');
    const server = lab.namespace('server');
    const links = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'warn' }, { write: (line) => lines.push(JSON.parse(line)) });
    const wanted = {
      INTERFACES: links.join(),
      // All at once, which is also the largest program for the verifier.
      ...Object.fromEntries(FEATURES.map(({ variable }) => [variable, 'true'])),
      QUIC_TRACKING_MODE: '1',
      FLOW_FILTER_RULES: JSON.stringify([
        { ip_cidr: '0.0.0.0/0', action: 'Accept' },
        { ip_cidr: '192.0.2.0/24', action: 'Accept', drops: true },
      ]),
    };
    await using host = await startAgent(wanted, { log });

    const features = host.agent.status().features;
    const missing = features.filter(({ state }) => state === 'unavailable');
    const said = lines.filter(({ feature }) => feature !== undefined);
    expect(said.map(({ feature, why, msg }) => ({ feature, why, msg }))).toEqual(
      missing.map(({ name, why }) => ({
        feature: name,
        why,
        msg: expect.stringMatching(/^ENABLE_\w+ is not possible here: flows have no \w+/),
      })),
    );
    expect(features).toHaveLength(FEATURES.length);
    const perhaps = ['ipsec', 'network-events'];
    expect(missing.filter(({ name }) => !perhaps.includes(name))).toEqual([]);
    await lab.tcp(client, server, { address: SERVER, port: 5001, sendBytes: 10, replyBytes: 10 });
    await host.agent.drainNow();
    expect(host.flows).toHaveLength(2);
    expect(host.flows.some(({ TimeFlowRttNs }) => Number(TimeFlowRttNs) > 0)).toBe(true);
  });
});
