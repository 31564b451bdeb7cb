import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { violations } from '../support/codec/mutations.ts';
import { untrustedReaders } from '../support/codec/untrusted-samples.ts';

/** Fewer inputs than in `npm run bench -- untrusted`, of the same kind. */
const INPUTS = 10_000;
/** Many times the slowest reader's time on an idle machine. */
const READER_TIMEOUT_MS = 180_000;

const folder = mkdtempSync(join(tmpdir(), 'netobserv-untrusted-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(untrustedReaders(folder))(
  '$name: what nobody would send is read within its bounds, or refused with a code',
  ({ samples, read }) => {
    expect(violations(samples, INPUTS, 1, read)).toEqual([]);
  },
  READER_TIMEOUT_MS,
);
