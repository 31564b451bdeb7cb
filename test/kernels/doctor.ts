import { expect } from 'vitest';
import type { Kernel } from '../../scripts/kernels.ts';
import type { DoctorReport } from '../../src/commands/doctor/report.ts';
import { runInMachine, whyNot } from './machine.ts';

/** What features need of modules is there, as on a host that uses them. */
const MODULES = 'modprobe -a nf_conntrack psample esp4 esp6';

/** Features that a kernel cannot have: see `enabledBy` of each. */
const LACKS: Readonly<Record<string, readonly string[]>> = {
  // Without the tracepoints of 6.3 it takes fentry, which arm64 has since 6.4.
  'bookworm arm64': ['openssl'],
};

/** In the order of the features. */
export function lacking({ suite, architecture }: Kernel): readonly string[] {
  return LACKS[`${suite} ${architecture.debian}`] ?? [];
}

/** Expects that a kernel has every feature that it can have. */
export async function examine(kernel: Kernel, program: string, limitMs: number): Promise<void> {
  const command = `${MODULES}; ${program} doctor --features all -o json >/out/doctor.json`;
  await using run = await runInMachine(kernel, command, limitMs);

  expect(run.status, whyNot(run)).toBe(0);
  const report = JSON.parse(run.file('doctor.json')) as DoctorReport;
  const refused = report.features.filter(({ state }) => state !== 'available');
  expect(
    refused.map(({ name }) => name),
    JSON.stringify(refused, undefined, 1),
  ).toEqual(lacking(kernel));
}
