/** The agent's view of OVN's databases, and its requests to them, over real sockets. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DrainBuffer } from '../../../src/agent/drain/buffer.ts';
import { decodeFlows } from '../../../src/agent/drain/decode.ts';
import { UdnReader } from '../../../src/agent/features/udn.ts';
import { InterfaceNames } from '../../../src/agent/interfaces/names.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { OvnSampling } from '../../../src/agent/ovn/sampling.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import type { OvsdbRow } from '../../../src/net/ovsdb/values.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { type FakeFlow, writeFlow } from '../../support/kernel/fake-kernel.ts';
import { FakeOvsdb } from '../../support/net/fake-ovsdb.ts';
import { AGENT_LAYOUT, viewFlows } from '../../support/processes/agent-host.ts';

const GROUP = 10;

describe('OVN', () => {
  let folder: string;
  let north: FakeOvsdb;
  let local: FakeOvsdb;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'netobserv-ovn-'));
    north = new FakeOvsdb(join(folder, 'north'));
    local = new FakeOvsdb(join(folder, 'local'));
    await north.start();
    await local.start();
  });
  afterEach(async () => {
    await north.stop();
    await local.stop();
    rmSync(folder, { recursive: true });
  });

  const until = (what: () => unknown) => expect.poll(what, { interval: 5, timeout: 5000 });

  describe('networks of interfaces', () => {
    const flow = (...indexes: readonly number[]): FakeFlow => ({
      ...{ src: '10.0.0.1', dst: '10.0.0.2', bytes: 1, packets: 1 },
      observed: indexes.map((index) => ({ netns: 1, index, ingress: true })),
    });
    const pod = (name: string, network?: string): OvsdbRow => ({
      name,
      external_ids: [
        'map',
        [
          ['iface-id', 'shop_web'],
          ['iface-id-ver', '1'],
          ...(network === undefined ? [] : [['k8s.ovn.org/network', network]]),
        ],
      ],
    });

    function labels(
      tracker: UdnReader,
      tables: TableSpace,
      flows = [flow(2, 3), flow(), flow(4, 2, 5)],
      names = namesOf(2, 3, 4),
    ): unknown[] {
      const buffer = new DrainBuffer(flows.length);
      for (const [row, one] of flows.entries()) writeFlow(one, row, buffer.keys, buffer.values);
      const facts = { reason: '' as const, names, agentIp: '', bootOffsetMs: 0, nowMs: 0 };
      const batch = new FlowBatch(AGENT_LAYOUT, tables.current);
      decodeFlows(buffer, flows.length, batch, facts);
      tracker.decode(buffer, flows.length, batch, facts);
      return viewFlows(batch).map(({ Interfaces, Udns }) => [Interfaces, Udns]);
    }

    function namesOf(...indexes: readonly number[]): InterfaceNames {
      const names = new InterfaceNames();
      for (const index of indexes) names.set(1, index, `veth${index}`);
      return names;
    }

    test('a label where hooks do not tell the namespace, by the MAC', async () => {
      local.set('Interface', pod('veth2', 'shop_blue'));
      const tracker = new UdnReader({ clock: systemClock, log: createLog('silent') }, local.path);
      const tables = new TableSpace();
      const names = new InterfaceNames({ exact: false, preferences: [] });
      names.set(4026531840, 2, 'veth2', '02:00:00:00:00:0a');
      names.set(4026532000, 2, 'eth0', '02:00:00:00:00:0b');
      const observed = [{ netns: 0, index: 2, ingress: true }];
      const to = (dstMac: string): FakeFlow => ({ ...flow(), dstMac, observed });
      const flows = [to('02:00:00:00:00:0a'), to('02:00:00:00:00:0b')];

      await until(() => labels(tracker, tables, flows, names)).toEqual([
        [['veth2'], ['shop/blue']],
        [['eth0'], ['']],
      ]);
      await tracker.stop();
    });

    test('a label beside each name, kept up to date', async () => {
      const tables = new TableSpace(1);
      local.set('Interface', pod('veth2', 'shop_blue'));
      const uuid = local.set('Interface', pod('veth3'));
      const tracker = new UdnReader({ clock: systemClock, log: createLog('silent') }, local.path);
      const interfaces = [['veth2', 'veth3'], [], ['veth4', 'veth2', 'unknown']];
      const wanted = (third: string) => [
        [interfaces[0], ['shop/blue', third]],
        [[], []],
        [interfaces[2], ['', 'shop/blue', '']],
      ];

      await until(() => labels(tracker, tables)).toEqual(wanted('default'));
      local.set('Interface', pod('veth3', 'cluster_udn_green'), uuid);
      await until(() => labels(tracker, tables)).toEqual(wanted('green'));
      // Other tables, other ids.
      expect(tables.rotateIfFull()).toBe(true);
      tables.current.strings.intern('before all others');
      expect(labels(tracker, tables)).toEqual(wanted('green'));
      await tracker.stop();
    });

    test('without Open vSwitch labels are empty', async () => {
      await local.stop();
      const tracker = new UdnReader({ clock: systemClock, log: createLog('silent') }, local.path);
      expect(labels(tracker, new TableSpace())[0]).toEqual([
        ['veth2', 'veth3'],
        ['', ''],
      ]);
      await tracker.stop();
    });
  });

  describe('sets of collectors', () => {
    const metrics = createMetrics('');
    const start = (): OvnSampling => {
      const deps = {
        clock: systemClock,
        log: createLog('silent'),
        metrics: createAgentMetrics(metrics, 'info'),
      };
      const sampling = new OvnSampling(deps, GROUP, { north: north.path, local: local.path });
      sampling.start();
      return sampling;
    };
    const collector = (bridge: string, owner: string, group = GROUP): OvsdbRow => ({
      id: 42,
      bridge: ['uuid', bridge],
      local_group_id: group,
      external_ids: ['map', [['owner', owner]]],
    });
    const collectors = (): readonly OvsdbRow[] => local.rows('Flow_Sample_Collector_Set');

    test('come when OVN has use for them, and go with the agent', async () => {
      const bridge = local.set('Bridge', { name: 'br-int' });
      local.set('Bridge', { name: 'br-ex' });
      const sampling = start();
      north.set('Sample_Collector', { set_id: 42 });

      await until(collectors).toEqual([collector(bridge, 'netobservAgent')]);
      await sampling.stop();
      expect(collectors()).toEqual([]);
    });

    test('that somebody removes come again', async () => {
      const bridge = local.set('Bridge', { name: 'br-int' });
      north.set('Sample_Collector', { set_id: 42 });
      const sampling = start();
      await until(collectors).toEqual([collector(bridge, 'netobservAgent')]);

      const [uuid] = local.ids('Flow_Sample_Collector_Set');
      local.set('Flow_Sample_Collector_Set', undefined, uuid);

      await until(collectors).toEqual([collector(bridge, 'netobservAgent')]);
      await sampling.stop();
      expect(collectors()).toEqual([]);
    });

    test('that an earlier agent has left are taken over', async () => {
      const bridge = local.set('Bridge', { name: 'br-int' });
      local.set('Flow_Sample_Collector_Set', collector(bridge, 'netobservAgent'));
      north.set('Sample_Collector', { set_id: 42 });
      const sampling = start();

      // A client that answers has received all earlier messages.
      for (const server of [local, north]) {
        await until(() => server.requests.length).toBe(1);
        server.probe();
        await until(() => server.echoes.length).toBe(1);
      }
      await sampling.stop();
      expect(collectors()).toEqual([]);
    });

    test('stay where Open vSwitch does not answer, and nobody waits long for it', async () => {
      const bridge = local.set('Bridge', { name: 'br-int' });
      north.set('Sample_Collector', { set_id: 42 });
      const sampling = start();
      await until(collectors).toEqual([collector(bridge, 'netobservAgent')]);

      local.mute = true;
      const beganMs = systemClock.monotonicMs();
      await sampling.stop();

      // It waits for 1 s; without that deadline it would wait for the answer's, 30 s.
      expect(systemClock.monotonicMs() - beganMs).toBeLessThan(20_000);
      expect(collectors()).toHaveLength(1);
    }, 180_000);

    test('of another program stay as they are, which is counted', async () => {
      const bridge = local.set('Bridge', { name: 'br-int' });
      local.set('Flow_Sample_Collector_Set', collector(bridge, 'somebody', 7));
      north.set('Sample_Collector', { set_id: 42 });
      const sampling = start();

      await until(async () => await metrics.registry.metrics()).toMatch(
        /errors_total\{component="network-events",error="CannotAddCollector",severity="high"\} [1-9]/,
      );
      await sampling.stop();
      expect(collectors()).toEqual([collector(bridge, 'somebody', 7)]);
    });
  });
});
