import { beforeEach, describe, expect, test } from 'vitest';
import {
  ClusterIndex,
  type IndexLimits,
  type Named,
} from '../../../../src/kube/index/cluster-index.ts';
import type { ClusterNeeds } from '../../../../src/kube/index/needs.ts';
import { kindsToRead } from '../../../../src/kube/index/owners.ts';
import { Slimmer } from '../../../../src/kube/index/slim.ts';
import { createKubeMetrics } from '../../../../src/kube/metrics.ts';
import { createMetrics, type Metrics } from '../../../../src/telemetry/metrics.ts';
import type { ApiObject } from '../../../support/kube/fake-api.ts';
import * as make from '../../../support/kube/objects.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const NOW_MS = Date.UTC(2026, 4, 1, 12);
const SECOND = 1000;

const NEEDS: ClusterNeeds = {
  configPath: '',
  networks: [],
  managedCni: ['ovn'],
  trackedKinds: [],
  labels: [],
  annotations: [],
};

let clock: ManualClock;
let metrics: Metrics;
let index: ClusterIndex;

beforeEach(() => begin());

function begin(limits: Partial<IndexLimits> = {}): void {
  clock = new ManualClock(NOW_MS);
  metrics = createMetrics('');
  index = new ClusterIndex({ clock, metrics: createKubeMetrics(metrics) }, limits);
}

function put(object: ApiObject, needs: Partial<ClusterNeeds> = {}): void {
  const slimmer = new Slimmer({ ...NEEDS, ...needs });
  const { status, spec } = object;
  if (spec === undefined) index.put(slimmer.node(object)!);
  else if ('clusterIPs' in (spec as object)) index.put(slimmer.service(object)!);
  else if (status !== undefined) index.put(slimmer.pod(object)!);
}

function remove(object: ApiObject): void {
  index.remove(new Slimmer(NEEDS).pod(object)!);
}

/** Who had the key at that time, by going through what the index says of all times. */
function at(key: string, timeMs = clock.nowMs()): Named | undefined {
  let found = 0;
  index.findKey(key, {
    add(fromMs, fact) {
      if (fromMs <= timeMs) found = fact;
    },
  });
  return index.named(found);
}

const nameAt = (key: string, timeMs?: number) => at(key, timeMs)?.object.name;

describe('addresses', () => {
  test('a pod has its own, in both families; the host network names the node', () => {
    put(make.node('node-1', ['192.168.0.1', 'fd00::1']));
    put(make.pod('web', { ips: ['10.0.0.5', 'fd01::5'], hostIps: ['192.168.0.1', 'fd00::1'] }));
    put(make.pod('proxy', { ips: ['192.168.0.1', 'fd00::1'], isHostNetwork: true }));
    // Before Kubernetes 1.28, the second address of the host is not in the status.
    put(make.pod('old', { ips: ['192.168.0.1', 'fd00::1'], isHostNetwork: true, hostIps: [] }));
    expect(nameAt('10.0.0.5')).toBe('web');
    expect(nameAt('fd01::5')).toBe('web');
    expect(at('192.168.0.1')?.object).toMatchObject({ kind: 'Node', name: 'node-1' });
    expect(at('fd00::1')?.object).toMatchObject({ kind: 'Node', name: 'node-1' });
  });

  test('addresses are compared by value, not by text', () => {
    put(make.pod('web', { ips: ['FD01:0:0::5'] }));
    expect(nameAt('fd01::5')).toBe('web');
  });

  test('a node of OVN has its management port, the second address of its subnet', () => {
    const subnets = { 'k8s.ovn.org/node-subnets': '{"default":["10.128.2.0/23","fd10:2::/64"]}' };
    put(make.node('node-1', ['192.168.0.1'], '', subnets));
    expect([nameAt('10.128.2.2'), nameAt('fd10:2::2')]).toEqual(['node-1', 'node-1']);
    put(make.node('node-2', ['192.168.0.2'], '', { 'k8s.ovn.org/node-subnets': '{{' }));
    put(make.node('node-3', [], '', { 'k8s.ovn.org/node-subnets': '{"default":"10.3.0.0/24"}' }), {
      managedCni: [],
    });
    expect(nameAt('10.3.0.2')).toBeUndefined();
  });

  test('a service has its cluster, external and load balancer addresses', () => {
    const ingress = [{ ip: '198.51.100.7' }, { hostname: 'lb.example.com' }];
    put(make.service('cart', ['10.96.0.9', 'fd02::9'], { externalIPs: ['203.0.113.5'], ingress }));
    put(make.service('headless', ['None']));
    const addresses = ['10.96.0.9', 'fd02::9', '203.0.113.5', '198.51.100.7'];
    expect(addresses.map((address) => nameAt(address))).toEqual(Array(4).fill('cart'));
    // It loses the address of the load balancer.
    clock.now += 10 * SECOND;
    put(make.service('cart', ['10.96.0.9', 'fd02::9']));
    expect(nameAt('198.51.100.7')).toBeUndefined();
    expect(nameAt('198.51.100.7', NOW_MS + SECOND)).toBe('cart');
  });

  test('a pod comes before a node, and a node before a service', () => {
    put(make.service('cart', ['10.0.0.1']));
    expect(nameAt('10.0.0.1')).toBe('cart');
    put(make.node('node-1', ['10.0.0.1']));
    expect(nameAt('10.0.0.1')).toBe('node-1');
    put(make.pod('web', { ips: ['10.0.0.1'] }));
    expect(nameAt('10.0.0.1')).toBe('web');
  });

  test('garbage in an object is left out', () => {
    const slimmer = new Slimmer({
      ...NEEDS,
      networks: [{ mac: true, ip: true, interface: true, udn: false }],
    });
    for (const object of [undefined, 7, 'x', [], {}, { metadata: { uid: 1, name: 'a' } }]) {
      expect(slimmer.pod(object)).toBeUndefined();
      expect(slimmer.node(object)).toBeUndefined();
      expect(slimmer.service(object)).toBeUndefined();
    }
    const metadata = {
      ...{ uid: 'u', name: 'n', labels: 7, creationTimestamp: 'yesterday' },
      annotations: { 'k8s.v1.cni.cncf.io/network-status': '[{"ips":7},null,{"mac":{}}]' },
    };
    const status = { podIPs: [{ ip: '10.0.0' }, 7, { ip: '10.0.0.1' }], conditions: [null, 1] };
    expect(slimmer.pod({ metadata, spec: [], status })).toMatchObject({ addresses: ['10.0.0.1'] });
  });
});

describe('time', () => {
  const first = () => make.pod('first', { ips: ['10.0.0.5'], startMs: NOW_MS - 600 * SECOND });

  test('a late flow of a removed pod still finds it, for a bounded time', () => {
    put(first());
    remove(first());
    clock.now += 60 * SECOND;
    expect(nameAt('10.0.0.5')).toBeUndefined();
    expect(nameAt('10.0.0.5', NOW_MS - SECOND)).toBe('first');
    expect(nameAt('10.0.0.5', NOW_MS - 601 * SECOND)).toBeUndefined();
    clock.now += 15 * 60 * SECOND;
    index.sweep();
    expect(nameAt('10.0.0.5', NOW_MS - SECOND)).toBeUndefined();
  });

  test('the next owner of an address does not inherit flows, nor leave its own', () => {
    put(first());
    clock.now += 10 * SECOND;
    remove(first());
    put(make.pod('second', { ips: ['10.0.0.5'], readyMs: NOW_MS + 30 * SECOND, startMs: NOW_MS }));
    expect(nameAt('10.0.0.5', NOW_MS + 9 * SECOND)).toBe('first');
    expect(nameAt('10.0.0.5', NOW_MS + 20 * SECOND)).toBeUndefined();
    expect(nameAt('10.0.0.5', NOW_MS + 30 * SECOND)).toBe('second');
  });

  test('if the removal is noticed late, the start of the next owner counts', () => {
    put(first());
    const second = make.pod('second', { ips: ['10.0.0.5'], readyMs: NOW_MS + 30 * SECOND });
    clock.now += 31 * SECOND;
    put(second);
    clock.now += 300 * SECOND;
    remove(first());
    expect(nameAt('10.0.0.5', NOW_MS + 29 * SECOND)).toBe('first');
    // Whole seconds: within this one, both may have had it.
    expect(nameAt('10.0.0.5', NOW_MS + 30.5 * SECOND)).toBeUndefined();
    expect(nameAt('10.0.0.5', NOW_MS + 31 * SECOND)).toBe('second');
    expect(nameAt('10.0.0.5')).toBe('second');
    remove(second);
    expect(nameAt('10.0.0.5', clock.nowMs() + 1)).toBeUndefined();
  });

  test('without the time of its network, the next owner waits until the address was seen', () => {
    put(first());
    clock.now += 20 * SECOND;
    remove(first());
    clock.now += 5 * SECOND;
    // It began while the first one still had the address, which was only free at 20 s.
    put(make.pod('second', { ips: ['10.0.0.5'], startMs: NOW_MS + 10 * SECOND }));
    expect(nameAt('10.0.0.5', NOW_MS + 9 * SECOND)).toBe('first');
    expect(nameAt('10.0.0.5', NOW_MS + 15 * SECOND)).toBeUndefined();
    expect(nameAt('10.0.0.5', NOW_MS + 20 * SECOND)).toBe('second');
  });

  test.each(['Succeeded', 'Failed'])('a pod that has %s gives its address back', (phase) => {
    put(first());
    const finishedMs = NOW_MS - 100 * SECOND;
    put(
      make.pod('first', { ips: ['10.0.0.5'], phase, finishedMs, startMs: NOW_MS - 600 * SECOND }),
    );
    expect(nameAt('10.0.0.5', NOW_MS - 101 * SECOND)).toBe('first');
    expect(nameAt('10.0.0.5', NOW_MS - 98 * SECOND)).toBeUndefined();
  });

  test('a pod that was over before we looked names the flows of its time', () => {
    const finishedMs = NOW_MS - 100 * SECOND;
    const startMs = NOW_MS - 200 * SECOND;
    put(make.pod('job', { ips: ['10.0.0.5'], phase: 'Succeeded', startMs, finishedMs }));
    put(make.pod('evicted', { ips: ['10.0.0.6'], phase: 'Failed', startMs }));
    expect(nameAt('10.0.0.5', NOW_MS - 150 * SECOND)).toBe('job');
    expect(nameAt('10.0.0.5')).toBeUndefined();
    expect(nameAt('10.0.0.6', NOW_MS - 150 * SECOND)).toBeUndefined();
  });

  test('an address that a pod gets later is not its own before', () => {
    put(first());
    clock.now += 50 * SECOND;
    put(make.pod('first', { ips: ['10.0.0.9'], startMs: NOW_MS - 600 * SECOND }));
    expect(nameAt('10.0.0.9', NOW_MS - 1)).toBeUndefined();
    expect(nameAt('10.0.0.9')).toBe('first');
    expect(nameAt('10.0.0.5', NOW_MS)).toBe('first');
    expect(nameAt('10.0.0.5')).toBeUndefined();
  });

  test('a list removes what is not in it, of its own kind alone', () => {
    put(first());
    put(make.node('node-1', ['192.168.0.1']));
    const slimmer = new Slimmer(NEEDS);
    const { replace } = index.reflection('Pod', (object) => slimmer.pod(object));
    replace([slimmer.pod(make.pod('other', { ips: ['10.0.0.6'] }))!]);
    expect([nameAt('10.0.0.5'), nameAt('10.0.0.6'), nameAt('192.168.0.1')]).toEqual([
      undefined,
      'other',
      'node-1',
    ]);
  });

  test('names change the version; what nobody sees does not', () => {
    put(first());
    const { version } = index.names;
    put(first());
    expect(index.names.version).toBe(version);
    put({ ...first(), spec: { nodeName: 'node-2' } });
    expect(index.names.version).toBe(version + 1);
    put(make.node('node-2', ['192.168.0.2'], 'zone-b'));
    expect(index.names.version).toBe(version + 2);
  });
});

describe('a list after changes that nobody saw', () => {
  const slimmer = new Slimmer(NEEDS);
  const pods = () => index.reflection('Pod', (object) => slimmer.pod(object));
  const started = (name: string, readyMs: number) =>
    slimmer.pod(make.pod(name, { ips: ['10.0.0.5'], readyMs }))!;

  test('what is gone has had its addresses until the last change that was seen', () => {
    const seenMs = clock.now + 30 * SECOND;
    index.put(started('old', clock.now));
    clock.now += 90 * SECOND;
    pods().replace([], seenMs);
    expect(nameAt('10.0.0.5', seenMs - 1)).toBe('old');
    expect(nameAt('10.0.0.5', seenMs)).toBeUndefined();
  });

  test('what is new may have followed somebody within its first second', () => {
    const seenMs = clock.now;
    const readyMs = clock.now + 30 * SECOND;
    clock.now += 90 * SECOND;
    pods().replace([started('new', readyMs)], seenMs);
    expect(nameAt('10.0.0.5', readyMs + SECOND - 1)).toBeUndefined();
    expect(nameAt('10.0.0.5', readyMs + SECOND)).toBe('new');
  });

  test('what was there before is known from its start on', () => {
    const readyMs = clock.now - 30 * SECOND;
    pods().replace([started('long', readyMs)], clock.now);
    expect(nameAt('10.0.0.5', readyMs)).toBe('long');
  });
});

describe('owners', () => {
  const tracked = (...kinds: string[]) => new Set(kinds);
  function ownerOf(reference: readonly [string, string], kinds: ReadonlySet<string>): string {
    put(make.pod('p', { ips: ['10.0.0.5'], owner: reference }));
    const { kind, name } = index.ownerOf(at('10.0.0.5')!.object, kinds);
    return `${kind} ${name}`;
  }
  function know(kind: string, name: string, parent?: readonly [string, string]): void {
    const reflection = index.ownerReflection(kind);
    reflection.put(reflection.slim(make.owner(kind, name, parent))!);
  }

  test('without tracked kinds: the owner of the replica set, or of the job', () => {
    know('ReplicaSet', 'web-1', ['Deployment', 'web']);
    know('Deployment', 'web', ['Gateway', 'edge']);
    know('Job', 'backup-1', ['CronJob', 'backup']);
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('Deployment web');
    expect(ownerOf(['Job', 'backup-1'], tracked())).toBe('CronJob backup');
    expect(ownerOf(['StatefulSet', 'db'], tracked())).toBe('StatefulSet db');
    expect(ownerOf(['ReplicaSet', 'bare'], tracked())).toBe('ReplicaSet bare');
    put(make.pod('alone', { ips: ['10.0.0.6'] }));
    expect(index.ownerOf(at('10.0.0.6')!.object, tracked())).toMatchObject({
      kind: 'Pod',
      name: 'alone',
    });
  });

  test('tracked kinds: up to the first one, and on to those above it, in three steps', () => {
    know('ReplicaSet', 'web-1', ['Deployment', 'web']);
    know('Deployment', 'web', ['Gateway', 'edge']);
    know('Gateway', 'edge', ['Fleet', 'all']);
    know('Fleet', 'all', ['Planet', 'earth']);
    const top = (...kinds: string[]) => ownerOf(['ReplicaSet', 'web-1'], tracked(...kinds));
    expect(top('ReplicaSet')).toBe('ReplicaSet web-1');
    expect(top('Deployment')).toBe('Deployment web');
    expect(top('ReplicaSet', 'Deployment', 'Gateway')).toBe('Gateway edge');
    expect(top('ReplicaSet', 'Gateway')).toBe('ReplicaSet web-1');
    expect(top('Fleet')).toBe('Fleet all');
    expect(top('Planet')).toBe('Fleet all');
  });

  test('an owner that is known later, or is removed first, still counts', () => {
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('ReplicaSet web-1');
    const { version } = index.names;
    know('ReplicaSet', 'web-1', ['Deployment', 'web']);
    expect(index.names.version).toBe(version + 1);
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('Deployment web');
    index.ownerReflection('ReplicaSet').replace([]);
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('Deployment web');
    clock.now += 16 * 60 * SECOND;
    index.sweep();
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('ReplicaSet web-1');
  });

  test('an owner that nobody asked for changes no names; one whose own owner is another does', () => {
    const { version } = index.names;
    know('ReplicaSet', 'web-1', ['Deployment', 'web']);
    expect(index.names.version).toBe(version);
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('Deployment web');
    know('ReplicaSet', 'web-1', ['Deployment', 'other']);
    expect(index.names.since(version)).toBeUndefined();
    expect(ownerOf(['ReplicaSet', 'web-1'], tracked())).toBe('Deployment other');
  });

  test('only kinds that lead to tracked ones are read', () => {
    expect(kindsToRead([])).toEqual(['ReplicaSet', 'Job']);
    expect(kindsToRead(['Deployment'])).toEqual(['ReplicaSet']);
    expect(kindsToRead(['ReplicaSet', 'Deployment', 'Gateway'])).toEqual([
      'ReplicaSet',
      'Deployment',
    ]);
    expect(kindsToRead(['CronJob'])).toEqual(['ReplicaSet', 'Job']);
    expect(kindsToRead(['VirtualMachine'])).toEqual(['ReplicaSet', 'VirtualMachineInstance']);
    expect(kindsToRead(['Kafka'])).toContain('StatefulSet');
  });
});

describe('bounds', () => {
  async function evicted(table: string): Promise<number> {
    const family = await metrics.registry.getSingleMetric('kube_evictions_total')!.get();
    return family.values.find(({ labels }) => labels.table === table)?.value ?? 0;
  }

  test('objects', async () => {
    begin({ objectsMax: 2 });
    for (const i of [1, 2, 3]) put(make.pod(`p${i}`, { ips: [`10.0.0.${i}`] }));
    expect([1, 2, 3].map((i) => nameAt(`10.0.0.${i}`))).toEqual(['p1', 'p2', undefined]);
    expect(await evicted('objects')).toBe(1);
  });

  test('owners', async () => {
    begin({ ownersMax: 1 });
    const { put: add, slim } = index.ownerReflection('ReplicaSet');
    for (const name of ['a', 'b']) add(slim(make.owner('ReplicaSet', name))!);
    expect([index.owners.size, await evicted('owners')]).toEqual([1, 1]);
  });

  test('removed pods: the oldest make room', async () => {
    begin({ pastMax: 100 });
    for (let i = 0; i < 101; i++) {
      const gone = make.pod(`p${i}`, { ips: [`10.0.0.${i}`], startMs: NOW_MS - SECOND });
      put(gone);
      clock.now += 1;
      remove(gone);
    }
    expect(nameAt('10.0.0.0', NOW_MS)).toBeUndefined();
    expect(nameAt('10.0.0.100', NOW_MS)).toBe('p100');
    expect(await evicted('past')).toBe(11);
  });

  test('holders of one address, and the numbers of facts', async () => {
    for (let i = 0; i < 2000; i++) {
      const startMs = NOW_MS + i * 2 * SECOND;
      const one = make.pod(`p${i}`, { ips: ['10.0.0.1'], startMs });
      clock.now = startMs;
      put(one);
      clock.now += SECOND;
      remove(one);
    }
    expect(nameAt('10.0.0.1', NOW_MS + 3998.5 * SECOND)).toBe('p1999');
    expect(await evicted('holders')).toBe(2000 - 16);
    expect(index.factsEnd).toBeLessThan(25);
  });
});
