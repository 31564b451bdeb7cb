import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** One file after the other: they count packets, and one program at a time may capture. */
const ALONE = { fileParallelism: false, testTimeout: 120_000, hookTimeout: 120_000 } as const;

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
          sequence: { groupOrder: 1 },
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
          sequence: { groupOrder: 2 },
          ...ALONE,
        },
      },
      {
        test: {
          name: 'services',
          include: ['test/services/**/*.test.ts'],
          sequence: { groupOrder: 3 },
          ...ALONE,
        },
      },
      {
        test: {
          name: 'kernels',
          include: ['test/kernels/*.test.ts'],
          sequence: { groupOrder: 4 },
          ...KERNELS,
        },
      },
      {
        test: {
          name: 'kernels-load',
          include: ['test/kernels/load.test.ts'],
          env: { NETOBSERV_KERNELS: 'ends' },
          sequence: { groupOrder: 5 },
          ...KERNELS,
        },
      },
      {
        test: {
          name: 'machine',
          include: ['test/kernels/inside/*.test.ts'],
          sequence: { groupOrder: 6 },
          ...KERNELS,
          hookTimeout: KERNELS.testTimeout,
        },
      },
    ],
  },
});
