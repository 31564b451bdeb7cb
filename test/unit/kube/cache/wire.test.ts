import { describe, expect, test } from 'vitest';
import { EntryReader } from '../../../../src/kube/cache/entry-reader.ts';
import { EntryWriter } from '../../../../src/kube/cache/entry-writer.ts';
import {
  readSync,
  readUpdate,
  writeSync,
  writeUpdate,
} from '../../../../src/kube/cache/messages.ts';
import { OPERATION } from '../../../../src/kube/cache/protocol.ts';
import type { ClusterNeeds } from '../../../../src/kube/index/needs.ts';
import { Slimmer } from '../../../../src/kube/index/slim.ts';
import { PbEntry, PbSync, PbUpdate } from '../../../support/kube/k8scache-schema.ts';
import { node, pod, time } from '../../../support/kube/objects.ts';

const ALL = [{ inclusions: undefined, exclusions: [] }];
const NEEDS: ClusterNeeds = {
  configPath: '',
  networks: [
    { mac: true, ip: true, interface: true, udn: false },
    { mac: false, ip: false, interface: false, udn: true },
  ],
  managedCni: [],
  trackedKinds: [],
  labels: ALL,
  annotations: ALL,
};
const START_MS = Date.UTC(2026, 1, 3);

const DEPLOYMENT = { uid: 'Deployment/web', kind: 'Deployment', name: 'web' };

const MULTUS = JSON.stringify([
  { name: 'ovn', default: true, ips: ['10.0.0.7'] },
  { name: 'shop/red', interface: 'net1', ips: ['10.9.0.7'], mac: '0A:58:0A:09:00:07' },
]);
const UDN = JSON.stringify({
  default: { ip_address: '10.0.0.7/24' },
  'shop/blue': { ip_address: '10.8.0.7/24' },
});

function webPod() {
  return pod('web-1', {
    uid: 'u-1',
    ips: ['10.0.0.7', 'fd00::7'],
    startMs: START_MS,
    readyMs: START_MS + 3000,
    labels: { app: 'web', 'long/β': 'ü'.repeat(5000) },
    annotations: {
      'k8s.v1.cni.cncf.io/network-status': MULTUS,
      'k8s.ovn.org/pod-networks': UDN,
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      team: 'a',
    },
  });
}

function encoded(needs = NEEDS) {
  const writer = new EntryWriter();
  const { head, rest } = writer.encode(new Slimmer(needs).pod(webPod())!, START_MS);
  const owner = writer.owner({ kind: 'Deployment', name: 'web' });
  return { head, entry: Buffer.concat([head, owner, rest]) };
}

describe('entries that we write, as another protobuf reads them', () => {
  test('a pod with two addresses, two further networks, labels and annotations', () => {
    expect(PbEntry.decode(encoded().entry)).toEqual({
      ...{ kind: 'Pod', namespace: 'shop', name: 'web-1', uid: 'u-1' },
      ...{ owner_kind: 'Deployment', owner_name: 'web' },
      ...{ host_ip: '192.168.0.1', host_name: 'node-1', network_name: 'primary' },
      ips: ['10.0.0.7', 'fd00::7'],
      secondary_net_keys: [
        'net1~10.9.0.7~0a:58:0a:09:00:07',
        'shop/blue~10.8.0.7',
        'blue~10.8.0.7',
      ],
      secondary_net_names: {
        'net1~10.9.0.7~0a:58:0a:09:00:07': 'shop/red',
        'shop/blue~10.8.0.7': 'shop/blue',
        'blue~10.8.0.7': 'blue',
      },
      labels: { app: 'web', 'long/β': 'ü'.repeat(5000) },
      annotations: {
        'k8s.v1.cni.cncf.io/network-status': MULTUS,
        'k8s.ovn.org/pod-networks': UDN,
        team: 'a',
      },
      creation_timestamp: START_MS / 1000,
    });
  });

  test('the part that identifies a removed object', () => {
    expect(PbEntry.decode(encoded().head)).toEqual({
      ...{ kind: 'Pod', namespace: 'shop', name: 'web-1', uid: 'u-1' },
      creation_timestamp: START_MS / 1000,
    });
  });

  test('a pod that is over', () => {
    const over = pod('job', { phase: 'Succeeded', startMs: START_MS, finishedMs: START_MS + 5000 });
    const { head, rest } = new EntryWriter().encode(new Slimmer(NEEDS).pod(over)!, START_MS);
    expect(PbEntry.decode(Buffer.concat([head, rest]))).toMatchObject({ terminated: true });
  });
});

describe('entries that we read', () => {
  test('from ourselves: the same object, times included; the owner by its name', () => {
    const wanted = new Slimmer(NEEDS).pod(webPod())!;
    const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...annotations } =
      wanted.annotations!;
    expect(new EntryReader(NEEDS).read(encoded().entry)).toEqual({
      place: 'Pod/shop/web-1',
      object: { ...wanted, annotations, owner: DEPLOYMENT },
    });
  });

  test('only labels and annotations that somebody wants', () => {
    const needs = {
      ...NEEDS,
      labels: [{ inclusions: ['app', 'tier'], exclusions: [] }],
      annotations: [],
    };
    const { object } = new EntryReader(needs).read(encoded().entry);
    expect(object).toMatchObject({ labels: { app: 'web' }, annotations: undefined });
  });

  test('from flowlogs-pipeline: without UID and times of our own', () => {
    const bytes = PbEntry.encode({
      ...{ kind: 'Pod', namespace: 'shop', name: 'web-1', creation_timestamp: START_MS / 1000 },
      ...{ owner_kind: 'Pod', owner_name: 'web-1', ips: ['10.0.0.7', 'no address', '10.0.0.7'] },
      secondary_net_keys: ['net1~10.9.0.7~0a:58:0a:09:00:07', 'shop/blue~10.8.0.7', '~', 'a~b~c'],
      secondary_net_names: { 'net1~10.9.0.7~0a:58:0a:09:00:07': 'shop/red' },
      resource_version: '77',
    });
    expect(new EntryReader(NEEDS).read(bytes).object).toMatchObject({
      uid: `Pod/shop/web-1@${START_MS / 1000}`,
      fromMs: START_MS,
      isExact: false,
      toMs: Number.POSITIVE_INFINITY,
      owner: undefined,
      addresses: ['10.0.0.7'],
      networks: [
        { key: 'iam/net1~10.9.0.7~0a:58:0a:09:00:07', network: 'shop/red' },
        { key: 'udn/shop/blue~10.8.0.7', network: '' },
      ],
    });
  });

  test('the zone of a node is that of its label, also if nobody wants labels', () => {
    const { head, rest } = new EntryWriter().encode(
      new Slimmer(NEEDS).node(node('node-1', ['192.168.0.1'], 'eu-1'))!,
      START_MS,
    );
    const needs = { ...NEEDS, labels: [] };
    const { object } = new EntryReader(needs).read(Buffer.concat([head, rest]));
    expect(object).toMatchObject({ zone: 'eu-1', labels: undefined, hostName: 'node-1' });
  });

  test.each([
    ['over, and we know since when', { terminated: true }, undefined],
    ['not over', { terminated: false }, Number.POSITIVE_INFINITY],
  ])('a pod that is %s', (_why, more, toMs) => {
    const bytes = PbEntry.encode({ kind: 'Pod', name: 'a', ...more });
    expect(new EntryReader(NEEDS).read(bytes).object?.toMs).toBe(toMs);
  });

  test.each([
    ['of another kind', { kind: 'Deployment', namespace: 'shop', name: 'web' }],
    ['without a name', { kind: 'Pod', namespace: 'shop' }],
  ])('an object %s gives no names', (_why, entry) => {
    expect(new EntryReader(NEEDS).read(PbEntry.encode(entry)).object).toBeUndefined();
  });
});

test('ports of a service on nodes: others see no network, we read the same object', () => {
  const spec = {
    clusterIP: '10.96.0.9',
    ports: [{ nodePort: 30080 }, { nodePort: 30053, protocol: 'UDP' }],
  };
  const metadata = {
    uid: 'u-9',
    name: 'web',
    namespace: 'shop',
    creationTimestamp: time(START_MS),
  };
  const wanted = new Slimmer(NEEDS).service({ metadata, spec })!;
  expect(wanted.networks.map(({ key }) => key)).toEqual(['port/6~30080', 'port/17~30053']);
  const { head, rest } = new EntryWriter().encode(wanted, START_MS);
  const bytes = Buffer.concat([head, rest]);
  expect(PbEntry.decode(bytes)).not.toHaveProperty('secondary_net_keys');
  expect(new EntryReader(NEEDS).read(bytes).object).toEqual(wanted);
});

describe('messages', () => {
  test('changes that we write', () => {
    const { head, entry } = encoded();
    const update = { version: 2 ** 40, isSnapshot: true, operation: OPERATION.add };
    const bytes = writeUpdate(update, [[head], [entry.subarray(0, 20), entry.subarray(20)]]);
    expect(PbUpdate.decode(bytes)).toEqual({
      ...{ version: 2 ** 40, is_snapshot: true, operation: 'OPERATION_ADD' },
      entries: [PbEntry.decode(head), PbEntry.decode(entry)],
    });
  });

  test('changes that we read', () => {
    const entry = { kind: 'Pod', name: 'a' };
    const update = { version: 7, operation: 'OPERATION_DELETE', entries: [entry, entry] };
    const { entries, ...rest } = readUpdate(new Uint8Array(PbUpdate.encode(update)));
    expect(rest).toEqual({
      ...{ version: 7, isSnapshot: false, operation: OPERATION.delete },
    });
    expect(entries.map((one) => PbEntry.decode(one))).toEqual([entry, entry]);
  });

  test.each([
    [
      { type: 'request', processorId: 'p-1', lastVersion: 0 } as const,
      { request: { processor_id: 'p-1' } },
    ],
    [
      { type: 'ack', processorId: 'p-1', version: 9, error: '' } as const,
      { ack: { processor_id: 'p-1', version: 9, success: true } },
    ],
    [
      { type: 'ack', processorId: 'p-1', version: 9, error: 'no' } as const,
      { ack: { processor_id: 'p-1', version: 9, error: 'no' } },
    ],
  ])('what a processor says, both ways: %o', (own, other) => {
    expect(PbSync.decode(writeSync(own))).toEqual(other);
    expect(readSync(PbSync.encode(other))).toEqual(own);
  });

  test.each([
    ['a number is cut off', [0x08, 0x80], 'ERR_CODEC_PROTOBUF_TRUNCATED'],
    ['an entry is longer than its message', [0x1a, 0x7f, 0x00], 'ERR_CODEC_PROTOBUF_TRUNCATED'],
    ['field 0', [0x00, 0x00], 'ERR_CODEC_PROTOBUF_SYNTAX'],
  ])('damaged: %s', (_why, bytes, code) => {
    expect(() => readUpdate(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code }));
  });
});
