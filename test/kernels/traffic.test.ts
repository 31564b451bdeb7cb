/** Packets on other kernels: runs the tests of the datapath in a machine of each. */
import { beforeAll, describe, expect, test } from 'vitest';
import { KERNELS, type Kernel, releaseOf } from '../../scripts/kernels.ts';
import { buildTool } from '../support/lab/netns.ts';
import { IN_CHECKOUT, runInMachine, whyNot } from './machine.ts';

const LIMIT_MS = 1_800_000;
const VITEST = 'vitest run --config=test/vitest.config.ts --project=e2e --project=e2e-alone';
const DATAPATH = ['vectors', 'filters', 'capture', 'births'];
const FILES = [
  ...DATAPATH.map((name) => `test/e2e/datapath/${name}.test.ts`),
  'test/e2e/agent/xdp.test.ts',
];

describe.each(KERNELS)('$suite', (kernel: Kernel) => {
  // A machine has no compiler.
  beforeAll(() => {
    buildTool('traffic');
  });

  test(`packets become the same flows on ${releaseOf(kernel)}`, { timeout: LIMIT_MS }, async () => {
    const command = `${IN_CHECKOUT}; ${VITEST} ${FILES.join(' ')}`;
    await using run = await runInMachine(kernel, command, LIMIT_MS);

    expect(run.status, whyNot(run)).toBe(0);
  });
});
