import { beforeEach, describe, expect, test } from 'vitest';
import { createFeedMetrics } from '../../../../src/kube/cache/feed-metrics.ts';
import { Replica } from '../../../../src/kube/cache/replica.ts';
import { ClusterIndex } from '../../../../src/kube/index/cluster-index.ts';
import { createKubeMetrics } from '../../../../src/kube/metrics.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { holderOf } from '../../../support/kube/holder.ts';
import { type Json, PbEntry } from '../../../support/kube/k8scache-schema.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const NEEDS = {
  ...{ configPath: '', networks: [], managedCni: [], trackedKinds: [] },
  ...{ labels: [], annotations: [] },
};

let clock: ManualClock;
let index: ClusterIndex;
let replica: Replica;

beforeEach(() => {
  clock = new ManualClock();
  const metrics = createMetrics('');
  index = new ClusterIndex({ clock, metrics: createKubeMetrics(metrics) });
  replica = new Replica(index, NEEDS, createFeedMetrics(metrics));
});

/** Who has the address at a time; default: now. */
function holder(address: string, atMs = clock.nowMs()): string {
  return holderOf(index, address, atMs)?.name ?? '';
}

function entry(name: string, more: Json = {}): Json {
  const created = { creation_timestamp: Math.floor(clock.nowMs() / 1000) };
  return { kind: 'Pod', namespace: 'shop', name, uid: `u-${name}`, ...created, ...more };
}

function put(entry: Json): void {
  replica.put(replica.read(PbEntry.encode(entry)));
}

function remove(entry: Json): void {
  replica.remove(replica.read(PbEntry.encode(entry)));
}

test('an object that lost its addresses is not found any more, but its old flows are', async () => {
  put(entry('a', { ips: ['10.0.0.1'], creation_timestamp: 1_600_000_000 }));
  await clock.advance(60_000);
  put(entry('a', { creation_timestamp: 1_600_000_000 }));
  expect(holder('10.0.0.1')).toBe('');
  expect(holder('10.0.0.1', clock.nowMs() - 30_000)).toBe('a');
});

test('another owner is another name for flows that come later', () => {
  const owner = (name: string) => ({
    ips: ['10.0.0.1'],
    owner_kind: 'ReplicaSet',
    owner_name: name,
  });
  put(entry('a', owner('web-1')));
  const { version } = index.names;
  put(entry('a', owner('web-1')));
  expect(index.names.version).toBe(version);
  put(entry('a', owner('web-2')));
  expect(index.names.version).toBe(version + 1);
});

test('a pod that took over an address keeps it when the earlier one is removed', async () => {
  put(entry('old', { ips: ['10.0.0.1'] }));
  await clock.advance(60_000);
  put(entry('new', { ips: ['10.0.0.1'] }));
  await clock.advance(60_000);
  remove(entry('old'));
  expect(holder('10.0.0.1')).toBe('new');
});

describe('a pod that is made again with the same name', () => {
  test.each([
    ['by UID', { uid: 'u-1' }, { uid: 'u-2' }],
    [
      'by the time of birth, without UIDs',
      { uid: '' },
      { uid: '', creation_timestamp: 1_800_000_000 },
    ],
  ])('%s: the late removal of the first does not hit the second', (_why, first, second) => {
    const created = { creation_timestamp: 1_600_000_000 };
    put(entry('db-0', { ...created, ips: ['10.0.0.1'], ...first }));
    put(entry('db-0', { ...created, ips: ['10.0.0.2'], ...second }));
    expect([holder('10.0.0.1'), holder('10.0.0.2', 1_900_000_000_000)]).toEqual(['', 'db-0']);
    remove(entry('db-0', { ...created, ...first }));
    expect(holder('10.0.0.2', 1_900_000_000_000)).toBe('db-0');
    remove(entry('db-0', { ...created, ...second }));
    expect(holder('10.0.0.2', 1_900_000_000_000)).toBe('');
  });

  test('a removal that says only the name', () => {
    put(entry('a', { ips: ['10.0.0.1'] }));
    remove({ kind: 'Pod', namespace: 'shop', name: 'a' });
    expect(holder('10.0.0.1')).toBe('');
  });
});

describe('a snapshot', () => {
  test('replaces the objects at its end, and nothing is missing meanwhile', () => {
    put(entry('a', { ips: ['10.0.0.1'] }));
    put(entry('b', { ips: ['10.0.0.2'] }));
    replica.beginSnapshot();
    put(entry('b', { ips: ['10.0.0.3'] }));
    expect([holder('10.0.0.1'), holder('10.0.0.2'), holder('10.0.0.3')]).toEqual(['a', '', 'b']);
    replica.endSnapshot();
    expect([holder('10.0.0.1'), holder('10.0.0.3')]).toEqual(['', 'b']);
  });

  test('one that breaks off takes nothing away', () => {
    put(entry('a', { ips: ['10.0.0.1'] }));
    replica.beginSnapshot();
    replica.beginSnapshot();
    put(entry('a', { ips: ['10.0.0.1'] }));
    replica.endSnapshot();
    expect(holder('10.0.0.1')).toBe('a');
  });

  test('another object of the same name counts as another', () => {
    put(entry('a', { uid: 'u-1', ips: ['10.0.0.1'] }));
    replica.beginSnapshot();
    put(entry('a', { uid: 'u-2', ips: ['10.0.0.2'] }));
    replica.endSnapshot();
    expect([holder('10.0.0.1'), holder('10.0.0.2')]).toEqual(['', 'a']);
  });
});
