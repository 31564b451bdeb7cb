import { expect } from 'vitest';
import type { Kernel } from '../../scripts/kernels.ts';
import type { DoctorReport } from '../../src/commands/doctor/report.ts';
import { runInMachine, whyNot } from './machine.ts';

/** The modules that features need are present, as on a host that uses them. */
const MODULES = 'modprobe -a nf_conntrack psample esp4 esp6';

/** Expects that a kernel has every feature. */
export async function examine(kernel: Kernel, program: string, limitMs: number): Promise<void> {
  const command = `${MODULES}; ${program} doctor --features all -o json >/out/doctor.json`;
  await using run = await runInMachine(kernel, command, limitMs);

  expect(run.status, whyNot(run)).toBe(0);
  const report = JSON.parse(run.file('doctor.json')) as DoctorReport;
  const refused = report.features.filter(({ state }) => state !== 'available');
  expect(
    refused.map(({ name }) => name),
    JSON.stringify(refused, undefined, 1),
  ).toEqual([]);
}
