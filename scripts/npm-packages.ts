/** npm packages for another architecture: `npm ci` installs only those of this one. */
import { hash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cached, fetchWhole } from './cache.ts';
import { runQuietly } from './debian.ts';
import { ROOT } from './steps.ts';

interface Locked {
  readonly version: string;
  /** `sha512-` and the base64 sum. */
  readonly integrity: string;
}

function lockedPackage(name: string): Locked {
  const lockfile = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const found = lockfile.packages[`node_modules/${name}`];
  if (found === undefined) throw new Error(`${name} is not in package-lock.json`);
  return found;
}

/** A package's folder, in this checkout or in the cache, with the lockfile's contents. */
export function npmPackage(name: string): string {
  const installed = join(ROOT, 'node_modules', name);
  if (existsSync(installed)) return installed;
  const { version, integrity } = lockedPackage(name);
  const folder = cached('npm', `${name.replace('/', '-')}-${version}`);
  fetchWhole(folder, (draft) => {
    const asked = [`${name}@${version}`, '--pack-destination', draft];
    const file = join(draft, basename(runQuietly('npm', 'pack', '--silent', ...asked).trim()));
    const got = `sha512-${hash('sha512', readFileSync(file), 'base64')}`;
    if (got !== integrity) {
      throw new Error(`${name}@${version} is ${got}, but package-lock.json has ${integrity}`);
    }
    runQuietly('tar', '-xzf', file, '-C', draft, '--strip-components=1');
    rmSync(file);
  });
  return folder;
}
