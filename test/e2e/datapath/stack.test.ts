import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildBpf } from '../../../scripts/build-bpf.ts';
import { ROOT } from '../../../scripts/steps.ts';
import { deepestChain } from '../../support/kernel/bpf-stack.ts';

/** MAX_BPF_STACK, for a program and all functions in a chain of calls. */
const STACK_BYTES = 512;
/** Before Linux 6.8 or so, the verifier rounds each function's share up to this. */
const OLD_ROUND_BYTES = 32;

test('no chain of calls needs more stack than an old kernel gives', () => {
  buildBpf();
  const { bytes, functions } = deepestChain(
    readFileSync(join(ROOT, 'build/bpf/flows.bpf.o')),
    OLD_ROUND_BYTES,
  );
  expect(bytes, functions.join(' → ')).toBeLessThanOrEqual(STACK_BYTES);
  // Hooks call functions and have locals on the stack: otherwise the reader has found nothing.
  expect(functions.length).toBeGreaterThan(1);
  expect(bytes).toBeGreaterThan(STACK_BYTES / 4);
});
