/**
 * What other kernels load, each in a machine of its own: a verifier that refuses what another takes
 * is found here and nowhere else.
 */
import { describe, expect, test } from 'vitest';
import { KERNEL_ENDS, KERNELS, type Kernel, releaseOf } from '../../scripts/kernels.ts';
import type { DoctorReport } from '../../src/commands/doctor/report.ts';
import { IN_CHECKOUT, runInMachine, whyNot } from './machine.ts';

const LIMIT_MS = 900_000;

/** What features need of modules is there, as on a host that uses them. */
const MODULES = 'modprobe -a nf_conntrack psample esp4 esp6';
const DOCTOR = 'dist/netobserv doctor --features all -o json';

/** Features that a kernel cannot have: see `enabledBy` of each. */
const LACKS: Readonly<Record<string, readonly string[]>> = {
  // psample tells cookies since 6.11.
  bookworm: ['network-events'],
};

const wanted = process.env.NETOBSERV_KERNELS === 'ends' ? KERNEL_ENDS : KERNELS;

describe.each(wanted)('$suite', (kernel: Kernel) => {
  test(`doctor finds all features on ${releaseOf(kernel)}`, { timeout: LIMIT_MS }, async () => {
    const command = `${IN_CHECKOUT}; ${MODULES}; ${DOCTOR} >/out/doctor.json`;
    await using run = await runInMachine(kernel, command, LIMIT_MS);

    expect(run.status, whyNot(run)).toBe(0);
    const report = JSON.parse(run.file('doctor.json')) as DoctorReport;
    const refused = report.features.filter(({ state }) => state !== 'available');
    const lacks = LACKS[kernel.suite] ?? [];
    expect(
      refused.map(({ name }) => name),
      JSON.stringify(refused, undefined, 1),
    ).toEqual(lacks);
  });
});
