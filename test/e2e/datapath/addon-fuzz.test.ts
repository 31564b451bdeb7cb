/** The addon, built with sanitizers, under random arguments: it answers or refuses. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildBpf } from '../../../scripts/build-bpf.ts';
import { buildNative, findSanitizer } from '../../../scripts/build-native.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';
import { native } from './datapath.ts';

const LENGTH_MS = 6000;
/** On a loaded machine, including the sanitizers' start. */
const TIMEOUT_MS = 100_000;
const FUZZ = join(import.meta.dirname, '../../support/kernel/addon-fuzz-child.ts');

/** Functions without arguments, and the one that would end the run. */
const NOT_REFUSED = ['possibleCpus', 'trimHeap', 'endProcess'];

const sanitizer = findSanitizer() ?? 'libasan.so';

describe.skipIf(requireRoot() || requireProgram(sanitizer))('the addon under sanitizers', () => {
  test.each([1, 2])('answers or refuses whatever it is given (seed %i)', (seed) => {
    buildBpf();
    const addon = buildNative('sanitized');
    const { stdout, stderr, status, signal } = spawnSync(
      process.execPath,
      [FUZZ, addon, String(seed), String(LENGTH_MS)],
      {
        encoding: 'utf8',
        timeout: TIMEOUT_MS,
        env: {
          ...process.env,
          LD_PRELOAD: sanitizer,
          // Node itself keeps its memory until the end.
          ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
          UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
        },
      },
    );
    expect(stderr).not.toMatch(/AddressSanitizer|runtime error:/);
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    const tally = JSON.parse(stdout) as Readonly<Record<string, Readonly<Record<string, number>>>>;
    // Calls went beyond the checks of arguments, and every function refused something.
    for (const name of ['swap', 'removeEntries', 'describeMap', 'openNetlink', 'addSocket']) {
      expect(tally[name]?.ok, name).toBeGreaterThan(0);
    }
    for (const name of Object.keys(native)) {
      if (!NOT_REFUSED.includes(name)) expect(tally[name]?.EINVAL, name).toBeGreaterThan(0);
    }
  });
});
