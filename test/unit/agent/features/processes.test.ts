import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Connections } from '../../../../src/agent/connections/connections.ts';
import { flowMetrics, processMetrics } from '../../../../src/agent/drain/layout.gen.ts';
import { ProcessReader } from '../../../../src/agent/features/processes.ts';
import type { FeatureReader } from '../../../../src/agent/features/reader.ts';
import { ControlGroups } from '../../../../src/agent/kernel/cgroups.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { ContainerNames } from '../../../../src/agent/workloads/container-names.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { type FakeEntry, FLOW, track } from '../../../support/kernel/entries.ts';

const CONTAINER = 'c'.repeat(64);
const BACK = {
  ...FLOW,
  src: FLOW.dst,
  dst: FLOW.src,
  srcPort: FLOW.dstPort!,
  dstPort: FLOW.srcPort!,
};

let folder: string;
let cgroup: number;
let names: ContainerNames;
let readers: readonly FeatureReader[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nbt-processes-'));
  const group = join(folder, 'root', `docker-${CONTAINER}.scope`);
  mkdirSync(group, { recursive: true });
  cgroup = statSync(group).ino;
  writeFileSync(join(folder, 'mounts'), `none ${join(folder, 'root')} cgroup2 rw 0 0\n`);
  // So few that every batch begins a new generation of tables.
  tables = new TableSpace(1);
  const metrics = createAgentMetrics(createMetrics(''), 'info');
  const connections = new Connections({ flowsMax: 16, idleMs: 0, metrics });
  const groups = new ControlGroups({ mounts: join(folder, 'mounts'), processes: folder });
  names = new ContainerNames({ root: folder });
  readers = [connections, new ProcessReader(connections, flowMetrics.sizeBytes, { groups, names })];
});
afterEach(() => rmSync(folder, { recursive: true }));

function of(pid: number, name: string, group = 0): NonNullable<FakeEntry['write']> {
  return (view) => {
    view.setUint32(processMetrics.pid, pid, true);
    view.setUint32(processMetrics.cgroup, group % 2 ** 32, true);
    view.setUint32(processMetrics.cgroup + 4, Math.floor(group / 2 ** 32), true);
    for (const [index, byte] of Buffer.from(name).entries()) {
      view.setUint8(processMetrics.comm + index, byte);
    }
  };
}

let tables: TableSpace;

const drain = (entries: readonly FakeEntry[]) =>
  track(readers, processMetrics.sizeBytes, entries, tables);

test('the process, its control group and its container', () => {
  expect(drain([{ write: of(4_000_000_000, 'sixteen-letters!', cgroup) }])).toMatchObject([
    {
      ProcessId: 4_000_000_000,
      ProcessName: 'sixteen-letters!',
      Cgroup: `/docker-${CONTAINER}.scope`,
      ContainerId: CONTAINER,
    },
  ]);
});

test('a container has its name from the next drain on, also after a rotation of tables', async () => {
  const place = join(folder, 'var/lib/docker/containers', CONTAINER);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'config.v2.json'), JSON.stringify({ ID: CONTAINER, Name: '/web' }));
  const entries = [{ write: of(5, 'nginx', cgroup) }];
  const short = `docker ${'c'.repeat(12)}`;
  expect(drain(entries)).toMatchObject([{ ContainerName: '', Workload: short }]);
  await names.idle();
  for (let turn = 0; turn < 2; turn++) {
    expect(drain(entries)).toMatchObject([{ ContainerName: 'web', Workload: 'web' }]);
  }
});

test('what is received has the process of what is sent back, wherever that stands', () => {
  const mine = { flow: BACK, write: of(7, 'server') };
  expect(drain([{}, mine, {}])).toMatchObject([
    { ProcessId: 7, ProcessName: 'server', Cgroup: '' },
    { ProcessId: 7 },
    { ProcessId: 7 },
  ]);
});

test('of two ends on this host, the one that sends', () => {
  const entries = [{ write: of(5, 'client') }, { flow: BACK, write: of(7, 'server') }];
  expect(drain(entries)).toMatchObject([{ ProcessId: 5 }, { ProcessId: 7 }]);
  // Also in the next drain, if no socket was asked.
  expect(drain([{ flow: BACK }, {}])).toMatchObject([
    { ProcessId: 7, ProcessName: 'server' },
    { ProcessId: 5, ProcessName: 'client' },
  ]);
});

test('a number that another process has got', () => {
  drain([{ write: of(5, 'first') }]);
  expect(drain([{ write: of(5, 'second', cgroup) }])).toMatchObject([
    { ProcessName: 'second', ContainerId: CONTAINER },
  ]);
});

test('nobody knows', () => {
  expect(drain([{}, { flow: { ...FLOW, protocol: 47 } }])).toMatchObject([
    { ProcessId: undefined, ProcessName: '', Cgroup: '', ContainerId: '', Workload: '' },
    { ProcessId: undefined },
  ]);
});
