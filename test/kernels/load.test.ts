/**
 * What other kernels load, each in a machine of its own: a verifier that refuses what another takes
 * is found here and nowhere else.
 */
import { describe, test } from 'vitest';
import { KERNEL_ENDS, KERNELS, type Kernel, releaseOf } from '../../scripts/kernels.ts';
import { examine } from './doctor.ts';
import { IN_CHECKOUT } from './machine.ts';

const LIMIT_MS = 900_000;

const wanted = process.env.NETOBSERV_KERNELS === 'ends' ? KERNEL_ENDS : KERNELS;

describe.each(wanted)('$suite', (kernel: Kernel) => {
  test(`doctor finds all features on ${releaseOf(kernel)}`, { timeout: LIMIT_MS }, async () => {
    await examine(kernel, `${IN_CHECKOUT}; dist/netobserv`, LIMIT_MS);
  });
});
