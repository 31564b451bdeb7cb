import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CAPABILITIES } from '../../../../src/agent/privileges.ts';
import { givePrivilegesUp } from '../../../../src/commands/capture/privileges.ts';
import { createLog } from '../../../../src/telemetry/log.ts';

const own = mkdtempSync(join(tmpdir(), 'netobserv-privileges-'));
afterAll(() => rmSync(own, { recursive: true }));

/** Numbers of the capabilities that are kept. */
async function kept(dataDir: string | undefined, refuse = false): Promise<readonly number[]> {
  let found: readonly number[] = [];
  const component = givePrivilegesUp({
    native: {
      dropCapabilities(keep) {
        found = keep;
        if (refuse) throw Object.assign(new Error('capset: EPERM'), { code: 'EPERM' });
      },
    },
    agent: { capabilities: () => ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_BPF'] },
    log: createLog('silent'),
    dataDir,
  });
  await component.start(new AbortController().signal);
  await component.stop();
  return found;
}

const RUNNING = [CAPABILITIES.CAP_BPF, CAPABILITIES.CAP_NET_ADMIN];

test('what the agent names is kept, once', async () => {
  expect(await kept(undefined)).toEqual(RUNNING);
  expect(await kept(own)).toEqual(RUNNING);
});

test('a data folder that is somebody else’s takes one more to write to', async () => {
  const foreign = join(own, 'foreign');
  mkdirSync(foreign);
  // Root gives a folder away; other users use one of root's.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) chownSync(foreign, 65_534, 65_534);
  expect(await kept(isRoot ? foreign : '/')).toEqual([...RUNNING, CAPABILITIES.CAP_DAC_OVERRIDE]);
});

test('who cannot give anything up goes on', async () => {
  await expect(kept(undefined, true)).resolves.toEqual(RUNNING);
});
