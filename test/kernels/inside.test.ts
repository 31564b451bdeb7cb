/**
 * Tests that this host's kernel may not support, in machines with a kernel that does: those of
 * `inside` need modules for interfaces of all kinds, IPsec, Open vSwitch with samples, and hooks of
 * functions.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { KERNELS, releaseOf } from '../../scripts/kernels.ts';
import { buildTool } from '../support/lab/netns.ts';
import { IN_CHECKOUT, runInMachine, whyNot } from './machine.ts';

const LIMIT_MS = 1_800_000;
const VITEST = 'vitest run --config=test/vitest.config.ts --project=machine';
const FILES = readdirSync(join(import.meta.dirname, 'inside')).filter((name) =>
  name.endsWith('.test.ts'),
);

const newest = KERNELS.at(-1)!;

describe(`${newest.suite}`, () => {
  // A machine has no compiler.
  beforeAll(() => {
    buildTool('traffic');
  });

  test.each(FILES)(`%s on ${releaseOf(newest)}`, { timeout: LIMIT_MS }, async (file) => {
    const command = `${IN_CHECKOUT}; ${VITEST} test/kernels/inside/${file}`;
    await using run = await runInMachine(newest, command, LIMIT_MS);

    expect(run.status, whyNot(run)).toBe(0);
  });
});
