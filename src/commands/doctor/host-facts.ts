import { readdirSync, readlinkSync } from 'node:fs';
import { arch, release } from 'node:os';
import { join } from 'node:path';
import type { Native } from '../../agent/loader/native.ts';
import { type Capability, NEEDED_TO_START } from '../../agent/privileges.ts';
import { effectiveCapabilities, missingCapabilities, type ReadHostFile } from '../capabilities.ts';
import { OPEN_FILES_WANTED, openFilesLimit } from '../open-files.ts';

/** A finding about the host: fine, worth a look, or neutral. */
export interface HostFact {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'info';
  readonly text: string;
}

/** Access to the host; tests provide their own. */
export interface HostView {
  readonly read: ReadHostFile;
  /** Names in a folder; empty when it is not there or not readable. */
  readonly list: (folder: string) => readonly string[];
  readonly link: (path: string) => string | undefined;
  readonly native: Pick<Native, 'listTcx' | 'hasTc'>;
}

export function viewHost(read: ReadHostFile, native: HostView['native']): HostView {
  return {
    read,
    native,
    list(folder) {
      try {
        return readdirSync(folder);
      } catch {
        return [];
      }
    },
    link(path) {
      try {
        return readlinkSync(path);
      } catch {
        return undefined;
      }
    },
  };
}

export function hostFacts(view: HostView): readonly HostFact[] {
  return [
    { name: 'kernel', state: 'ok', text: `${release()} ${arch()}` },
    btf(view),
    jit(view),
    lockdown(view),
    capabilities(view),
    mounted(view, 'bpf', 'bpffs', 'only EBPF_PROGRAM_MANAGER_MODE takes one'),
    mounted(view, 'tracefs', 'tracefs', 'only kprobes of old kernels take one'),
    mounted(view, 'cgroup2', 'cgroup2', 'programs on control groups cannot be attached'),
    namespaces(view),
    processes(view),
    memlock(view),
    openFiles(view),
    kallsyms(view),
    othersPrograms(view),
  ];
}

function btf({ list }: HostView): HostFact {
  const has = list('/sys/kernel/btf').includes('vmlinux');
  const text = has
    ? '/sys/kernel/btf/vmlinux'
    : 'none: the kernel is built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted';
  return { name: 'BTF', state: has ? 'ok' : 'warn', text };
}

function jit({ read }: HostView): HostFact {
  const on = read('/proc/sys/net/core/bpf_jit_enable')?.trim();
  // A kernel without the setting always compiles, or /proc hides it from unprivileged users.
  if (on === undefined) return { name: 'BPF compiler', state: 'info', text: 'unknown' };
  return on === '0'
    ? { name: 'BPF compiler', state: 'warn', text: 'off: sysctl net.core.bpf_jit_enable=1' }
    : { name: 'BPF compiler', state: 'ok', text: 'on' };
}

function lockdown({ read }: HostView): HostFact {
  const mode = /\[(\w+)\]/.exec(read('/sys/kernel/security/lockdown') ?? '')?.[1];
  const text: Readonly<Record<string, string>> = {
    integrity: 'integrity: fentry and kprobes may be refused, tracepoints are not',
    confidentiality: 'confidentiality: forbids reading packets; boot with lockdown=integrity',
  };
  return {
    name: 'lockdown',
    state: mode === 'confidentiality' ? 'warn' : 'info',
    text: text[mode ?? ''] ?? mode ?? 'unknown (securityfs is not mounted)',
  };
}

function capabilities({ read }: HostView): HostFact {
  const short = (names: Iterable<Capability>): string =>
    [...names].map((name) => name.slice('CAP_'.length)).join(' ');
  const held = effectiveCapabilities(read);
  const missing = missingCapabilities(read);
  if (missing.length > 0) {
    const text = `missing ${short(missing)}; held: ${short(held) || 'none'}`;
    return { name: 'capabilities', state: 'warn', text };
  }
  const beyond = [...held].filter((name) => !NEEDED_TO_START.includes(name));
  const text = `${short(NEEDED_TO_START)}${beyond.length > 0 ? ` · also ${short(beyond)}` : ''}`;
  return { name: 'capabilities', state: 'ok', text };
}

function mounted({ read }: HostView, type: string, name: string, without: string): HostFact {
  const places = (read('/proc/self/mounts') ?? '')
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields[2] === type)
    .map((fields) => fields[1]!);
  return places.length > 0
    ? { name, state: 'ok', text: places[0]! }
    : { name, state: 'info', text: `not mounted: ${without}` };
}

function namespaces({ read, list }: HostView): HostFact {
  const count = list('/var/run/netns').length;
  const enters = effectiveCapabilities(read).has('CAP_SYS_ADMIN');
  const named = count === 1 ? '1 in /var/run/netns' : `${count} in /var/run/netns`;
  return enters
    ? { name: 'namespaces', state: 'ok', text: `${named}; interfaces in them can be watched` }
    : {
        name: 'namespaces',
        state: count > 0 ? 'warn' : 'info',
        text: `${named}; entering them takes CAP_SYS_ADMIN`,
      };
}

/** PROC_PID_INIT_INO of the kernel: the namespace that sees every process. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

function processes({ read, link }: HostView): HostFact {
  const own = link('/proc/self/ns/pid');
  const hidden = /^\S+ \/proc proc \S*hidepid=(?!0|off)/m.test(read('/proc/self/mounts') ?? '');
  if (hidden) {
    return { name: 'processes', state: 'warn', text: '/proc is mounted with hidepid' };
  }
  return own === FIRST_PID_NAMESPACE
    ? { name: 'processes', state: 'ok', text: 'all of the host are visible' }
    : { name: 'processes', state: 'warn', text: 'only this container’s: run it with hostPID' };
}

function memlock({ read }: HostView): HostFact {
  const limit = /^Max locked memory\s+(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  const text =
    limit === 'unlimited' ? limit : `${limit ?? 'unknown'} bytes; Linux before 5.11 needs more`;
  return { name: 'memlock', state: 'info', text };
}

function openFiles({ read }: HostView): HostFact {
  const limit = openFilesLimit(read);
  if (limit === undefined) return { name: 'open files', state: 'info', text: 'unknown' };
  const [state, cure] =
    limit < OPEN_FILES_WANTED
      ? ([
          'warn',
          `; ${OPEN_FILES_WANTED} or more by ulimit -n, or LimitNOFILE= of systemd`,
        ] as const)
      : (['ok', ''] as const);
  return {
    name: 'open files',
    state,
    text: `${Number.isFinite(limit) ? `up to ${limit}` : 'any number'}${cure}`,
  };
}

/** Above this, the kernel does not show addresses for perf's sake. */
const PARANOID_MAX = 1;

function kallsyms(view: HostView): HostFact {
  return { name: 'kptr_restrict', state: 'info', text: addressesText(view) };
}

/** Decides like kallsyms_show_value() of the kernel. */
function addressesText({ read }: HostView): string {
  const setting = (name: string): string | undefined => read(`/proc/sys/kernel/${name}`)?.trim();
  const level = setting('kptr_restrict');
  if (level === undefined) return 'unknown';
  if (Number(level) > 1) return `${level}: kernel addresses are readable by nobody`;
  const paranoid = setting('perf_event_paranoid');
  const isOpen = level === '0' && paranoid !== undefined && Number(paranoid) <= PARANOID_MAX;
  if (isOpen) return `${level}: kernel addresses are readable`;
  const held = effectiveCapabilities(read).has('CAP_SYSLOG') ? 'which is held' : 'not held';
  return `${level}, perf_event_paranoid ${paranoid}: kernel addresses take CAP_SYSLOG, ${held}`;
}

const BESIDE_OTHERS =
  'hooks come first (TCX_ATTACH_ANCHOR_*=head), do not mark packets, and count them where they are born';

/** Maximum of programs to name; the others are counted. */
const PROGRAMS_SHOWN = 4;

/** Programs of a running capture: they pass packets on, and mark none beside another program. */
const OWN_PROGRAMS = /^(?:flow|capture)_(?:in|e)gress/;

/** Hooks work beside them, but in the slower way: without marks. */
function othersPrograms({ list, read, native }: HostView): HostFact {
  const found: string[] = [];
  for (const name of list('/sys/class/net')) {
    const index = Number(read(join('/sys/class/net', name, 'ifindex')));
    if (!(index > 0)) continue;
    try {
      const tcx = [...native.listTcx(index, 0), ...native.listTcx(index, 1)];
      found.push(...tcx.map((program) => `${name} ${ofProgram(program)}`));
      if (native.hasTc(index)) found.push(`${name} TC filters`);
    } catch {
      // The interface is gone, or the kernel has no TCX: there is nothing to report.
    }
  }
  const more = found.length > PROGRAMS_SHOWN ? ` and ${found.length - PROGRAMS_SHOWN} more` : '';
  if (found.length === 0) {
    return { name: 'other programs', state: 'ok', text: 'none on any interface here' };
  }
  const text = `${found.slice(0, PROGRAMS_SHOWN).join(', ')}${more}: ${BESIDE_OTHERS}`;
  return { name: 'other programs', state: 'info', text };
}

function ofProgram({ id, name }: { readonly id: number; readonly name: string }): string {
  return OWN_PROGRAMS.test(name) ? `${name} (a capture)` : name || `#${id}`;
}
