/** Debian's packages of any release and architecture, unpacked instead of installed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from './architectures.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export function runQuietly(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The mirror that this host installs from. */
export function mirror(): string {
  const found = /^URIs: *(\S+)/m.exec(
    readFileSync('/etc/apt/sources.list.d/debian.sources', 'utf8'),
  );
  if (found === null) throw new Error('debian.sources names no mirror');
  return found[1]!;
}

/** The release that this host runs: `bookworm`. */
export function hostRelease(): string {
  const found = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync('/etc/os-release', 'utf8'));
  if (found === null) throw new Error('/etc/os-release names no release');
  return found[1]!;
}

/** apt with its own state, for one suite and one architecture, until it is disposed of. */
export class Apt implements Disposable {
  readonly #folder: string;
  readonly #options: readonly string[];

  constructor(suite: string, { debian }: Architecture) {
    this.#folder = mkdtempSync(join(tmpdir(), 'netobserv-apt-'));
    for (const name of ['lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(this.#folder, name), { recursive: true });
    }
    const sources = join(this.#folder, 'sources.list');
    writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror()} ${suite} main\n`);
    const options = {
      'APT::Architecture': debian,
      'APT::Architectures': debian,
      'APT::Sandbox::User': 'root',
      'Dir::State::Lists': join(this.#folder, 'lists'),
      'Dir::Cache': join(this.#folder, 'cache'),
      'Dir::State::status': '/dev/null',
      'Dir::Etc::SourceList': sources,
      'Dir::Etc::SourceParts': '/dev/null',
    };
    this.#options = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    this.#run('apt-get', 'update');
  }

  #run(command: string, ...args: readonly string[]): string {
    return execFileSync(command, ['-qq', ...this.#options, ...args], {
      cwd: this.#folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  /** Names of a package's dependencies. */
  depends(name: string): string[] {
    const text = this.#run('apt-cache', 'depends', name);
    return [...text.matchAll(/Depends: (\S+)/g)].map(([, one]) => one!);
  }

  /** Unpacks the files of packages, without their dependencies, into a folder. */
  unpack(names: readonly string[], target: string): void {
    this.#run('apt-get', 'download', ...names);
    mkdirSync(target, { recursive: true });
    for (const file of readdirSync(this.#folder).filter((one) => one.endsWith('.deb'))) {
      runQuietly('dpkg', '-x', join(this.#folder, file), target);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}
