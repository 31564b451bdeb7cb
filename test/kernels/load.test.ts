/**
 * Loads the programs on other kernels, each in its own machine: only this test finds a verifier
 * that refuses what another accepts.
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
