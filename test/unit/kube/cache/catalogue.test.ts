import { beforeEach, describe, expect, test } from 'vitest';
import { Catalogue } from '../../../../src/kube/cache/catalogue.ts';
import { OPERATION } from '../../../../src/kube/cache/protocol.ts';
import type { KubeKind } from '../../../../src/kube/index/objects.ts';
import { Slimmer } from '../../../../src/kube/index/slim.ts';
import { createKubeMetrics } from '../../../../src/kube/metrics.ts';
import type { Reflection } from '../../../../src/kube/reflector.ts';
import { createMetrics, type Metrics } from '../../../../src/telemetry/metrics.ts';
import type { ApiObject } from '../../../support/kube/fake-api.ts';
import { PbEntry } from '../../../support/kube/k8scache-schema.ts';
import { node, owner, pod } from '../../../support/kube/objects.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const ALL = [{ inclusions: undefined, exclusions: [] }];
const NEEDS = {
  ...{ configPath: '', networks: [], managedCni: [], trackedKinds: [] },
  ...{ labels: ALL, annotations: ALL },
};
const NAMES = { 1: 'add', 2: 'update', 3: 'delete' } as const;

let catalogue: Catalogue;
let metrics: Metrics;
let told: string[];

function make(trackedKinds: readonly string[] = [], limits = {}): void {
  metrics = createMetrics('');
  const deps = { clock: new ManualClock(), metrics: createKubeMetrics(metrics) };
  catalogue = new Catalogue(trackedKinds, deps, limits);
  told = [];
  catalogue.listen(({ operation, item }) => {
    const whole = Buffer.concat([item.entry.head, item.owner, item.entry.rest]);
    const { name, owner_kind: kind = '', owner_name: parent = '' } = PbEntry.decode(whole);
    const above = kind === '' ? '' : ` of ${kind} ${parent}`;
    told.push(`${NAMES[operation as keyof typeof NAMES]} ${name}${above}`);
  });
}

function reflection(kind: KubeKind): Reflection<unknown> {
  const slim = new Slimmer(NEEDS);
  return catalogue.reflection(kind, (object) =>
    kind === 'Pod' ? slim.pod(object) : slim.node(object),
  );
}

function put(object: ApiObject, kind: KubeKind = 'Pod'): void {
  const pods = reflection(kind);
  pods.put(pods.slim(object));
}

function putOwner(kind: string, object: ApiObject): void {
  const owners = catalogue.ownerReflection(kind);
  owners.put(owners.slim(object)!);
}

beforeEach(() => make());

test('only what differs in what is sent', () => {
  put(pod('a', { ips: ['10.0.0.1'] }));
  const again = pod('a', { ips: ['10.0.0.1'] });
  put({ ...again, metadata: { ...again.metadata, resourceVersion: '9' }, extra: 1 });
  put(pod('a', { ips: ['10.0.0.2'] }));
  put(pod('a', { ips: [], labels: { app: 'x' } }));
  expect(told).toEqual(['add a', 'update a', 'update a']);
});

test('a list replaces the objects of its kind', () => {
  put(pod('a'));
  put(pod('b'));
  put(node('n', ['192.168.0.1']), 'Node');
  told = [];
  const pods = reflection('Pod');
  pods.replace([pod('b'), pod('c')].map((one) => pods.slim(one)));
  expect(told).toEqual(['delete a', 'add c']);
  expect(catalogue.items().map(({ kind }) => kind)).toEqual(['Pod', 'Node', 'Pod']);
});

describe('owners', () => {
  test('a ReplicaSet that is listed after its pods renames them, and only them', () => {
    put(pod('web-1', { owner: ['ReplicaSet', 'web-7f'] }));
    put(pod('db-1', { owner: ['StatefulSet', 'db'] }));
    putOwner('ReplicaSet', owner('ReplicaSet', 'web-7f', ['Deployment', 'web']));
    putOwner('ReplicaSet', owner('ReplicaSet', 'web-7f', ['Deployment', 'web']));
    put(pod('web-2', { owner: ['ReplicaSet', 'web-7f'] }));
    expect(told).toEqual([
      'add web-1 of ReplicaSet web-7f',
      'add db-1 of StatefulSet db',
      'update web-1 of Deployment web',
      'add web-2 of Deployment web',
    ]);
  });

  test('tracked kinds further up', () => {
    make(['Gateway']);
    put(pod('web-1', { owner: ['ReplicaSet', 'web-7f'] }));
    putOwner('ReplicaSet', owner('ReplicaSet', 'web-7f', ['Deployment', 'web']));
    putOwner('Deployment', owner('Deployment', 'web', ['Gateway', 'edge']));
    expect(told.at(-1)).toBe('update web-1 of Gateway edge');
  });

  test('a removed pod is not heard of again', () => {
    put(pod('web-1', { owner: ['ReplicaSet', 'web-7f'] }));
    const pods = reflection('Pod');
    pods.remove(pods.slim(pod('web-1')));
    told = [];
    putOwner('ReplicaSet', owner('ReplicaSet', 'web-7f', ['Deployment', 'web']));
    expect(told).toEqual([]);
  });
});

test('objects beyond the bound are counted', async () => {
  make([], { objectsMax: 1 });
  put(pod('a'));
  put(pod('b'));
  put(pod('a', { ips: ['10.0.0.1'] }));
  expect(told).toEqual(['add a', 'update a']);
  expect(await metrics.registry.metrics()).toContain('kube_evictions_total{table="objects"} 1');
});

test('operations are those of the protocol', () => {
  expect(OPERATION).toEqual({ add: 1, update: 2, delete: 3 });
});
