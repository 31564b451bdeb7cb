/**
 * Policies of OVN that Open vSwitch samples. The first packet of a flow goes to ovs-vswitchd and
 * comes back as another buffer, without any marks of hooks.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { ALLOWED_PORT, DENIED_PORT, forgetFlows, HOST_END, type Pod, startOvn } from './ovn.ts';

const DATAGRAMS = 100;
const DATAGRAM_BYTES = 100;
/** Ethernet, IPv4 and UDP. */
const WIRE_BYTES = 14 + 20 + 8 + DATAGRAM_BYTES;

const policyNamed = (Name: string) => ({
  Feature: 'acl',
  Type: 'NetworkPolicy',
  Name,
  Namespace: 'shop',
  Direction: 'Ingress',
});

describe.skipIf(requireRoot())('OVN', () => {
  let lab: Lab;
  let pods: readonly [Pod, Pod];

  beforeAll(async () => {
    lab = new Lab();
    pods = startOvn(lab);
    // Answers from closed ports would be sampled, too.
    await lab.resident(pods[1].namespace, ALLOWED_PORT);
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  test.each([
    ['all interfaces', {}, true],
    ['the host’s interfaces alone', { INTERFACES: `/^${HOST_END}/` }, true],
    ['where packets leave the switch', { INTERFACES: `${HOST_END}2` }, false],
    ['the pods’ interfaces alone', { INTERFACES: 'eth0' }, true],
  ])('%s: each packet counts once, and has its policy', async (_what, interfaces, seesDenied) => {
    const [from, to] = pods;
    await using host = await startAgent({
      ENABLE_NETWORK_EVENTS_MONITORING: 'true',
      ENABLE_PKT_DROPS: 'true',
      CACHE_ACTIVE_TIMEOUT: '60s',
      ...interfaces,
    });
    forgetFlows();
    const traffic = { address: to.address, count: DATAGRAMS, sizeBytes: DATAGRAM_BYTES };
    await lab.cast(from.namespace, { ...traffic, port: ALLOWED_PORT });
    await lab.cast(from.namespace, { ...traffic, port: DENIED_PORT });
    await host.agent.drainNow();

    const allowed = host.flows.filter(({ DstPort }) => DstPort === ALLOWED_PORT);
    expect(allowed).toHaveLength(1);
    expect(allowed).toMatchObject([{ Packets: DATAGRAMS, Bytes: DATAGRAMS * WIRE_BYTES }]);
    expect(allowed[0]!.NetworkEvents).toEqual([
      expect.objectContaining({ ...policyNamed('allowed'), Action: 'allow-related' }),
    ]);
    const denied = host.flows.filter(({ DstPort }) => DstPort === DENIED_PORT);
    // If only interfaces behind the switch are watched, there is no such flow.
    expect(denied.map(({ Packets, PktDropPackets }) => [Packets, PktDropPackets])).toEqual(
      seesDenied ? [[DATAGRAMS, DATAGRAMS]] : [],
    );
    for (const flow of denied) {
      expect(flow.PktDropLatestDropCause).toBe('NetworkEvent_NetworkPolicy');
      expect(flow.NetworkEvents).toEqual([
        expect.objectContaining({ ...policyNamed('denied'), Action: 'drop' }),
      ]);
    }
    if (!seesDenied) return;
    const metrics = await host.metrics.registry.metrics();
    const good = 'network_events_total{source="network-events",reason="NetworkEventsGoodEvent"}';
    expect(metrics).toContain(`${good} ${2 * DATAGRAMS}\n`);
  });
});
