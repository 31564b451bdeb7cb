import { readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, matchesGlob } from 'node:path';
import { defineConfig } from 'vitest/config';
import { canUnshare, namespacedForks } from './namespaces.ts';

/** On an idle machine, awaited results come at once; vitest's own deadline is one second. */
const EXPECT = { poll: { timeout: 15_000 } } as const;

/** Vitest reserves a core for itself, which has little to do once the tests run. */
const WORKERS = Math.max(2, availableParallelism());
/** Tests of programs, clients and servers spend a third of their time waiting for timers. */
const WAITING_WORKERS = WORKERS + 1;

/** For tests that start whole programs. */
const SLOW = { testTimeout: 120_000, hookTimeout: 120_000, expect: EXPECT } as const;

/** One file after the other, in the namespaces of the host. */
const ALONE = { ...SLOW, fileParallelism: false } as const;

/** Files in parallel, each in its own namespaces so that captures do not find each other. */
const NAMESPACED = canUnshare()
  ? { ...SLOW, pool: namespacedForks, maxWorkers: WAITING_WORKERS }
  : ALONE;

/**
 * Kernels of some sandboxes keep their first process from root, and do not run tracing programs in
 * its interrupts. `ftrace` alone sees what happens there.
 */
function isInitHidden(): boolean {
  try {
    readlinkSync('/proc/1/ns/net');
    return false;
  } catch {
    return process.getuid?.() === 0;
  }
}

/** For `isInitHidden` of test/support/require.ts. */
const INIT_ENV = { NETOBSERV_INIT_HIDDEN: `${isInitHidden()}` };

/** Files that run alone, in the namespaces of the host, by the reason for it. */
const E2E_ALONE: Readonly<Record<string, readonly string[]>> = {
  'the kernel reports process numbers of the first PID namespace': [
    'test/e2e/features/processes.test.ts',
  ],
  'sets a sysctl of the whole host': ['test/e2e/agent/privileges.test.ts'],
  'stops the program in the middle of traffic that has a fixed rate': [
    'test/e2e/agent/loss.test.ts',
    'test/e2e/export/killed.test.ts',
    'test/e2e/up/loss.test.ts',
  ],
  'measures what the program keeps up with': [
    'test/e2e/agent/churn.test.ts',
    'test/e2e/agent/soak.test.ts',
    'test/e2e/features/tcp-health.test.ts',
  ],
};
const alone = Object.values(E2E_ALONE).flat();

/** A project of files that run in parallel, and `NAME-alone` of those that do not. */
function kernelProjects(
  name: string,
  include: readonly string[],
  firstGroup: number,
  more: Readonly<Record<string, string>> = {},
) {
  const env = { ...INIT_ENV, ...more };
  const isIncluded = (file: string) => include.some((glob) => matchesGlob(file, glob));
  return [
    {
      test: {
        ...NAMESPACED,
        name,
        include: [...include],
        exclude: alone,
        env,
        sequence: { groupOrder: firstGroup },
      },
    },
    {
      test: {
        ...ALONE,
        name: `${name}-alone`,
        include: alone.filter(isIncluded),
        env,
        sequence: { groupOrder: firstGroup + 1 },
      },
    },
  ];
}

/** Tests that start the whole program, and so can start the packed one. */
const PACKED = [
  'test/e2e/up/**/*.test.ts',
  'test/e2e/export/**/*.test.ts',
  'test/e2e/browser/console.test.ts',
];

/** A machine for each test, emulated if there is no other way. */
const KERNELS = { fileParallelism: false, testTimeout: 1_800_000, expect: EXPECT } as const;

/**
 * One project per kind of test. `packed` repeats, with the packed executable, the `e2e` tests that
 * start the whole program; `services` uses third-party servers at the other end; `kernels` boots
 * other kernels than this one, `kernels-load` only loads the programs on the two that differ most;
 * `machine` has the tests that `kernels` runs in a booted machine. The groups prevent any two
 * projects from running at the same time.
 */
export default defineConfig({
  root: join(import.meta.dirname, '..'),
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.{ts,tsx}'],
          // Modules keep no state, so that the files of a worker can share them.
          isolate: false,
          testTimeout: 120_000,
          maxWorkers: WORKERS,
          expect: EXPECT,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: WAITING_WORKERS,
          expect: EXPECT,
        },
      },
      ...kernelProjects('e2e', ['test/e2e/**/*.test.ts'], 1),
      ...kernelProjects('packed', PACKED, 3, { NETOBSERV_FLAVOUR: 'packed' }),
      {
        test: {
          name: 'services',
          include: ['test/services/**/*.test.ts'],
          sequence: { groupOrder: 5 },
          ...ALONE,
        },
      },
      {
        test: {
          name: 'kernels',
          include: ['test/kernels/*.test.ts'],
          sequence: { groupOrder: 6 },
          ...KERNELS,
        },
      },
      {
        test: {
          name: 'kernels-load',
          include: ['test/kernels/load.test.ts'],
          env: { NETOBSERV_KERNELS: 'ends' },
          sequence: { groupOrder: 7 },
          ...KERNELS,
        },
      },
      {
        test: {
          name: 'machine',
          include: ['test/kernels/inside/*.test.ts'],
          sequence: { groupOrder: 8 },
          ...KERNELS,
          hookTimeout: KERNELS.testTimeout,
        },
      },
    ],
  },
});
