import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EXECUTABLE } from '../../support/processes/program.ts';

/**
 * A root folder with only the C and C++ run-time libraries, which are part of every glibc
 * distribution's base: no shell, no Node, no libbpf, no libelf.
 */
export interface BareRoot extends Disposable {
  readonly libraries: readonly string[];
  /** Command line that runs its arguments inside; mounts end with the process. */
  readonly within: readonly string[];
}

/** The executable's path inside. */
export const INSIDE = '/netobserv';

export function createBareRoot(): BareRoot {
  const root = mkdtempSync(join(tmpdir(), 'netobserv-root-'));
  const libraries = [...execFileSync('ldd', [EXECUTABLE], { encoding: 'utf8' }).matchAll(/\/\S+/g)]
    .map(([path]) => path)
    .filter((path) => path.includes('/lib'));
  for (const library of libraries) {
    mkdirSync(dirname(join(root, library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
  for (const folder of ['proc', 'sys', 'tmp', 'var']) mkdirSync(join(root, folder));
  writeFileSync(join(root, INSIDE), '');
  const script = [
    'set -e',
    'mount --make-rprivate /',
    `mount --bind ${EXECUTABLE} ${root}${INSIDE}`,
    `mount -t proc proc ${root}/proc`,
    `mount --rbind /sys ${root}/sys`,
    `mount -t tmpfs tmpfs ${root}/tmp`,
    `mount -t tmpfs tmpfs ${root}/var`,
    `exec env -i "$(PATH=$PATH:/usr/sbin command -v chroot)" ${root} "$@"`,
  ].join('\n');
  return {
    libraries,
    within: ['unshare', '--mount', 'sh', '-c', script, 'sh'],
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}
