import { expect, test } from 'vitest';
import {
  type HostFact,
  type HostView,
  hostFacts,
} from '../../../../src/commands/doctor/host-facts.ts';

const ALL = '000001ffffffffff';
const THREE = '000000c000001000';

interface Given {
  readonly files?: Readonly<Record<string, string>>;
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly native?: HostView['native'];
}

function facts({ files = {}, folders = {}, links = {}, native }: Given): Map<string, HostFact> {
  const view: HostView = {
    read: (path) => files[path],
    list: (folder) => folders[folder] ?? [],
    link: (path) => links[path],
    native: native ?? { listTcx: () => [], hasTc: () => false },
  };
  return new Map(hostFacts(view).map((fact) => [fact.name, fact]));
}

const limits = (soft: string) => ({
  '/proc/self/limits': `Max open files            ${soft.padEnd(20)} 524288               files\n`,
});
const status = (mask: string) => ({ '/proc/self/status': `CapEff:\t${mask}\n` });

test.each<[string, string, Given, HostFact['state'], RegExp]>([
  ['BTF', 'there', { folders: { '/sys/kernel/btf': ['vmlinux'] } }, 'ok', /vmlinux/],
  ['BTF', 'not there', {}, 'warn', /CONFIG_DEBUG_INFO_BTF/],
  ['open files', 'few', { files: limits('40') }, 'warn', /^up to 40; 1024 or more by ulimit -n/],
  ['open files', 'as usual', { files: limits('524288') }, 'ok', /^up to 524288$/],
  ['open files', 'any number', { files: limits('unlimited') }, 'ok', /^any number$/],
  ['open files', 'nobody tells', {}, 'info', /unknown/],
  [
    'BPF compiler',
    'off',
    { files: { '/proc/sys/net/core/bpf_jit_enable': '0\n' } },
    'warn',
    /sysctl/,
  ],
  [
    'lockdown',
    'integrity',
    { files: { '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' } },
    'info',
    /fentry/,
  ],
  [
    'lockdown',
    'confidentiality',
    { files: { '/sys/kernel/security/lockdown': 'none integrity [confidentiality]\n' } },
    'warn',
    /forbids/,
  ],
  [
    'capabilities',
    'of root',
    { files: status(ALL) },
    'ok',
    /BPF PERFMON NET_ADMIN · also .*SYS_ADMIN/,
  ],
  ['capabilities', 'just enough', { files: status(THREE) }, 'ok', /^BPF PERFMON NET_ADMIN$/],
  ['capabilities', 'none', {}, 'warn', /missing NET_ADMIN BPF PERFMON; held: none/],
  [
    'cgroup2',
    'mounted',
    { files: { '/proc/self/mounts': 'none /sys/fs/cgroup/unified cgroup2 rw 0 0\n' } },
    'ok',
    /unified/,
  ],
  [
    'namespaces',
    'cannot be entered',
    { files: status(THREE), folders: { '/var/run/netns': ['a', 'b'] } },
    'warn',
    /^2 in .*CAP_SYS_ADMIN/,
  ],
  ['namespaces', 'can be', { files: status(ALL) }, 'ok', /can be watched/],
  ['processes', 'of the host', { links: { '/proc/self/ns/pid': 'pid:[4026531836]' } }, 'ok', /all/],
  [
    'processes',
    'of a container',
    { links: { '/proc/self/ns/pid': 'pid:[4026532000]' } },
    'warn',
    /hostPID/,
  ],
  [
    'processes',
    'hidden',
    { files: { '/proc/self/mounts': 'proc /proc proc rw,hidepid=invisible 0 0\n' } },
    'warn',
    /hidepid/,
  ],
  [
    'memlock',
    'limited',
    { files: { '/proc/self/limits': 'Max locked memory         8388608    8388608   bytes\n' } },
    'info',
    /8388608 bytes/,
  ],
  ...(
    [
      ['0', '1', THREE, /readable$/],
      ['0', '2', THREE, /take CAP_SYSLOG, not held/],
      ['0', '2', ALL, /take CAP_SYSLOG, which is held/],
      ['1', '1', THREE, /take CAP_SYSLOG, not held/],
      ['2', '1', ALL, /readable by nobody/],
    ] as const
  ).map(([level, paranoid, held, text]): [string, string, Given, HostFact['state'], RegExp] => [
    'kptr_restrict',
    `${level} with perf_event_paranoid ${paranoid} and capabilities ${held}`,
    {
      files: {
        ...status(held),
        '/proc/sys/kernel/kptr_restrict': `${level}\n`,
        '/proc/sys/kernel/perf_event_paranoid': `${paranoid}\n`,
      },
    },
    'info',
    text,
  ]),
])('%s: %s', (name, _case, given, state, text) => {
  const fact = facts(given).get(name);
  expect(fact?.state).toBe(state);
  expect(fact?.text).toMatch(text);
});

test('programs of others are told by interface; names that are hidden by their number', () => {
  const found = facts({
    folders: { '/sys/class/net': ['eth0', 'eth1'] },
    files: { '/sys/class/net/eth0/ifindex': '2\n', '/sys/class/net/eth1/ifindex': '3\n' },
    native: {
      listTcx: (index, isEgress) => {
        if (index === 3) throw new Error('EINVAL');
        return isEgress === 0 ? [{ id: 7, name: 'cil_from_netdev' }] : [{ id: 9, name: '' }];
      },
      hasTc: (index) => index === 2,
    },
  });
  expect(found.get('other programs')?.text).toMatch(
    /^eth0 cil_from_netdev, eth0 #9, eth0 TC filters: hooks come first .* do not mark packets/,
  );
});
