import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { canUnshare, namespacedForks } from './namespaces.ts';

/** For tests that start whole programs. */
const SLOW = { testTimeout: 120_000, hookTimeout: 120_000 } as const;

/** One file after the other, in the namespaces of the host. */
const ALONE = { ...SLOW, fileParallelism: false } as const;

/** Files side by side, each in namespaces of its own so that captures do not find each other. */
const NAMESPACED = canUnshare()
  ? { ...SLOW, pool: namespacedForks, maxWorkers: Math.max(2, availableParallelism()) }
  : ALONE;

/** Files of `e2e` that cannot run in namespaces of their own or next to others, and why. */
const E2E_ALONE: readonly string[] = [
  // The kernel reports process numbers of the first PID namespace.
  'test/e2e/features/processes.test.ts',
];

/** A machine each, emulated where there is no other way. */
const KERNELS = { fileParallelism: false, testTimeout: 1_800_000 } as const;

/**
 * One project per kind of test. `packed` repeats, with the packed executable, those of `e2e` that
 * start the whole program; `services` has servers that are not ours at the other end; `kernels`
 * boots others than this one, `kernels-load` only asks the two that differ most what they load;
 * `machine` is what `kernels` runs in one that it has booted. The groups keep any two of them from
 * running at the same time.
 */
export default defineConfig({
  root: join(import.meta.dirname, '..'),
  test: {
    projects: [
      {
        test: { name: 'unit', include: ['test/unit/**/*.test.{ts,tsx}'], testTimeout: 20_000 },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: [...E2E_ALONE],
          sequence: { groupOrder: 1 },
          ...NAMESPACED,
        },
      },
      {
        test: {
          name: 'e2e-alone',
          include: [...E2E_ALONE],
          sequence: { groupOrder: 2 },
          ...ALONE,
        },
      },
      {
        test: {
          name: 'packed',
          include: [
            'test/e2e/up/**/*.test.ts',
            'test/e2e/export/**/*.test.ts',
            'test/e2e/browser/console.test.ts',
          ],
          env: { NETOBSERV_FLAVOUR: 'packed' },
          sequence: { groupOrder: 3 },
          ...NAMESPACED,
        },
      },
      {
        test: {
          name: 'services',
          include: ['test/services/**/*.test.ts'],
          sequence: { groupOrder: 4 },
          ...ALONE,
        },
      },
      {
        test: {
          name: 'kernels',
          include: ['test/kernels/*.test.ts'],
          sequence: { groupOrder: 5 },
          ...KERNELS,
        },
      },
      {
        test: {
          name: 'kernels-load',
          include: ['test/kernels/load.test.ts'],
          env: { NETOBSERV_KERNELS: 'ends' },
          sequence: { groupOrder: 6 },
          ...KERNELS,
        },
      },
      {
        test: {
          name: 'machine',
          include: ['test/kernels/inside/*.test.ts'],
          sequence: { groupOrder: 7 },
          ...KERNELS,
          hookTimeout: KERNELS.testTimeout,
        },
      },
    ],
  },
});
