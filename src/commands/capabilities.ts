import { readFileSync } from 'node:fs';
import { CAPABILITIES, type Capability, NEEDED_TO_START } from '../agent/privileges.ts';
import { NetobservError } from '../base/errors.ts';
import { COMMAND_ERRORS } from './errors.ts';

/** Reads a file of /proc or /sys; undefined when it is absent or refused. */
export type ReadHostFile = (path: string) => string | undefined;

export const readHostFile: ReadHostFile = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** The effective capabilities of this process. */
export function effectiveCapabilities(read: ReadHostFile): ReadonlySet<Capability> {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(read('/proc/self/status') ?? '')?.[1];
  const bits = BigInt(`0x${mask ?? '0'}`);
  const names = Object.keys(CAPABILITIES) as Capability[];
  return new Set(names.filter((name) => ((bits >> BigInt(CAPABILITIES[name])) & 1n) === 1n));
}

/**
 * Capabilities missing to load and attach the datapath: CAP_NET_ADMIN to attach, CAP_BPF and
 * CAP_PERFMON to load. CAP_SYS_ADMIN replaces the latter two, and is the only way before Linux 5.8.
 * When another program loads and attaches, only CAP_BPF is needed.
 */
export function missingCapabilities(read: ReadHostFile, isManaged = false): readonly Capability[] {
  const held = effectiveCapabilities(read);
  const wanted: readonly Capability[] = isManaged ? ['CAP_BPF'] : NEEDED_TO_START;
  const missing: Capability[] = held.has('CAP_NET_ADMIN') || isManaged ? [] : ['CAP_NET_ADMIN'];
  if (held.has('CAP_SYS_ADMIN')) return missing;
  const lastBit = Number(read('/proc/sys/kernel/cap_last_cap') ?? CAPABILITIES.CAP_BPF);
  if (lastBit < CAPABILITIES.CAP_BPF) return [...missing, 'CAP_SYS_ADMIN'];
  const toLoad = wanted.filter((name) => name !== 'CAP_NET_ADMIN');
  return [...missing, ...toLoad.filter((name) => !held.has(name))];
}

/** Refuses early and says what to do, instead of letting a system call fail with EPERM. */
export function assertCanCapture(read: ReadHostFile, executable: string, isManaged = false): void {
  const missing = missingCapabilities(read, isManaged);
  if (missing.length > 0) {
    const short = missing.map((name) => name.slice('CAP_'.length));
    throw new NetobservError(
      COMMAND_ERRORS.capabilities,
      `cannot capture packets without ${missing.join(', ')}`,
      { details: { missing, next: howToGrant(short, executable) } },
    );
  }
  assertKernel(read);
}

// Not setcap(8): everyone allowed to run the file would get these rights, and could misuse them.
function howToGrant(short: readonly string[], executable: string): string {
  const names = short.map((name) => `+${name.toLowerCase()}`).join(',');
  const user = '--reuid=$(id -u) --regid=$(id -g) --init-groups';
  return [
    'Run it as root (sudo), or grant just these, to one process:',
    `  sudo setpriv ${user} --inh-caps=${names} --ambient-caps=${names} ${executable} …`,
    `  systemd: AmbientCapabilities=${short.map((name) => `CAP_${name}`).join(' ')}`,
    `  Kubernetes: securityContext: { capabilities: { add: [${short.join(', ')}] } }`,
    `  Docker: ${short.map((name) => `--cap-add ${name}`).join(' ')}`,
  ].join('\n');
}

function assertKernel(read: ReadHostFile): void {
  // The setting exists exactly when the kernel is built with CONFIG_BPF_SYSCALL.
  if (read('/proc/sys/kernel/unprivileged_bpf_disabled') === undefined) {
    throw new NetobservError(
      COMMAND_ERRORS.kernelUnsupported,
      'this kernel has no bpf() system call (CONFIG_BPF_SYSCALL), or /proc is not mounted',
      { details: { next: 'Use Linux 5.8 or newer; sandboxes such as gVisor have none.' } },
    );
  }
  if (/\[confidentiality\]/.test(read('/sys/kernel/security/lockdown') ?? '')) {
    throw new NetobservError(
      COMMAND_ERRORS.kernelUnsupported,
      'kernel lockdown is at "confidentiality", which forbids reading packets with eBPF',
      { details: { next: 'Boot with lockdown=integrity or none.' } },
    );
  }
}
