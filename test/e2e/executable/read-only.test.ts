import { afterEach, expect, test } from 'vitest';
import { type Program, programCommand, startProgram } from '../../support/processes/program.ts';
import { rootWith } from '../../support/processes/rights.ts';

/**
 * A container with `readOnlyRootFilesystem` and no volume: only its own /dev is writable, and the
 * shared memory there does not allow programs.
 */
const CONTAINER = `
set -e
mount --make-rprivate /
mount -t tmpfs -o nosuid,mode=755,size=64m tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
mkdir /dev/shm
mount -t tmpfs -o nosuid,nodev,noexec tmpfs /dev/shm
while read -r _ place _; do
  case "$place" in /proc*|/sys*|/dev*) continue;; esac
  mount -o remount,bind,ro "$place"
done < /proc/self/mounts
exec "$@"
`;

let program: Program | undefined;
afterEach(async () => {
  await program?.stop();
});

test('an agent starts with a read-only root, no volume, and three capabilities', async () => {
  const within = ['unshare', '--mount', 'sh', '-c', CONTAINER, 'sh'];
  const rights = rootWith(['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN']);
  const options = ['--export', 'stdout', '--interfaces', 'lo', '--exclude-interfaces', 'none'];
  program = startProgram(['agent', ...options, '--features', 'rtt,dns,drops'], {
    command: [...within, ...rights, ...programCommand('packed')],
    env: { PATH: process.env.PATH },
  });
  await program.waitFor(/"msg":"agent is up"/);
  expect(await program.stop()).toBe(0);
  expect(program.output()).not.toContain('"level":50');
});
