import { expect, test } from 'vitest';
import type { NetobservError } from '../../../src/base/errors.ts';
import {
  assertCanCapture,
  effectiveCapabilities,
  missingCapabilities,
  type ReadHostFile,
} from '../../../src/commands/capabilities.ts';
import { COMMAND_ERRORS } from '../../../src/commands/errors.ts';

const ALL = '000001ffffffffff';
const NONE = '0000000000000000';
const BPF_NET_PERFMON = '000000c000001000';
const SYS_AND_NET = '0000000000201000';

function host(effective: string, files: Readonly<Record<string, string>> = {}): ReadHostFile {
  const all: Readonly<Record<string, string | undefined>> = {
    '/proc/self/status': `Name:\tnode\nCapPrm:\t${ALL}\nCapEff:\t${effective}\nCapBnd:\t${ALL}\n`,
    '/proc/sys/kernel/cap_last_cap': '40\n',
    '/proc/sys/kernel/unprivileged_bpf_disabled': '2\n',
    ...files,
  };
  return (path) => all[path];
}

test.each([
  ['root', ALL, '40', []],
  ['exactly what is needed', BPF_NET_PERFMON, '40', []],
  ['CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON', SYS_AND_NET, '40', []],
  ['nobody', NONE, '40', ['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_PERFMON']],
  ['only CAP_NET_ADMIN', '0000000000001000', '40', ['CAP_BPF', 'CAP_PERFMON']],
  ['before Linux 5.8', '0000000000001000', '37', ['CAP_SYS_ADMIN']],
])('%s', (_why, effective, last, missing) => {
  const read = host(effective, { '/proc/sys/kernel/cap_last_cap': last });
  expect(missingCapabilities(read)).toEqual(missing);
});

test('effective, not permitted, capabilities count', () => {
  expect(effectiveCapabilities(host(NONE)).size).toBe(0);
  expect(effectiveCapabilities(() => undefined).size).toBe(0);
});

test('the refusal names what is missing and ways to grant it to one process', () => {
  expect(() => assertCanCapture(host(NONE), '/opt/netobserv')).toThrow(
    expect.objectContaining({
      code: COMMAND_ERRORS.capabilities.code,
      message: 'cannot capture packets without CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON',
      details: expect.objectContaining({
        next: expect.stringContaining('--ambient-caps=+net_admin,+bpf,+perfmon /opt/netobserv'),
      }),
    }),
  );
});

test('no way is named by which everybody would get these rights', () => {
  let next: unknown;
  try {
    assertCanCapture(host(NONE), '/opt/netobserv');
  } catch (error) {
    next = (error as NetobservError).details.next;
  }
  expect(next).toContain('sudo setpriv');
  expect(next).not.toContain('setcap');
});

test.each([
  ['no bpf()', { '/proc/sys/kernel/unprivileged_bpf_disabled': undefined }],
  ['lockdown', { '/sys/kernel/security/lockdown': 'none integrity [confidentiality]\n' }],
])('a kernel that cannot is named: %s', (_why, files) => {
  const read = host(ALL, files as Record<string, string>);
  expect(() => assertCanCapture(read, 'x')).toThrow(
    expect.objectContaining({ code: COMMAND_ERRORS.kernelUnsupported.code }),
  );
});

test('a capable host passes', () => {
  const lockdown = { '/sys/kernel/security/lockdown': '[none] integrity confidentiality\n' };
  expect(() => assertCanCapture(host(BPF_NET_PERFMON, lockdown), 'x')).not.toThrow();
});
