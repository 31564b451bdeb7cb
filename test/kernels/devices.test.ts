/**
 * What this host's kernel may lack, in machines of one that has it: the tests of `inside` need
 * modules for all kinds of interfaces, IPsec, Open vSwitch with samples, and hooks of functions.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { KERNELS, releaseOf } from '../../scripts/kernels.ts';
import { buildTool } from '../support/netns.ts';
import { IN_CHECKOUT, runInMachine, whyNot } from './machine.ts';

const LIMIT_MS = 1_800_000;
const VITEST = 'vitest run --config=test/vitest.config.ts --project=machine';

const newest = KERNELS.at(-1)!;

describe(`${newest.suite}`, () => {
  // There is no compiler in a machine.
  beforeAll(() => {
    buildTool('traffic');
  });

  test.each([['devices']])(`%s on ${releaseOf(newest)}`, { timeout: LIMIT_MS }, async (name) => {
    const command = `${IN_CHECKOUT}; ${VITEST} test/kernels/inside/${name}.test.ts`;
    await using run = await runInMachine(newest, command, LIMIT_MS);

    expect(run.status, whyNot(run)).toBe(0);
  });
});
