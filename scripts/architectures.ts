import { parseArgs } from 'node:util';

/** A machine that netobserv is built for, under the names that each tool uses. */
export interface Architecture {
  /** The name in Node and npm. */
  readonly name: 'x64' | 'arm64';
  /** The name in Debian, also used for its kernels. */
  readonly debian: string;
  /** The name in GCC and binutils. */
  readonly triple: string;
}

export const ARCHITECTURES: readonly Architecture[] = [
  { name: 'x64', debian: 'amd64', triple: 'x86_64-linux-gnu' },
  { name: 'arm64', debian: 'arm64', triple: 'aarch64-linux-gnu' },
];

export function architectureOf(name: string): Architecture {
  const found = ARCHITECTURES.find((one) => one.name === name);
  if (found === undefined) {
    const names = ARCHITECTURES.map((one) => one.name).join(' or ');
    throw new Error(`netobserv is not built for "${name}", only for ${names}`);
  }
  return found;
}

/** The machine that this script runs on. */
export const HOST_ARCHITECTURE = architectureOf(process.arch);

export function isForeign({ name }: Architecture): boolean {
  return name !== HOST_ARCHITECTURE.name;
}

/** Suffix of a file name that has none for the host's own architecture: `-arm64`. */
export function suffixOf(architecture: Architecture): string {
  return isForeign(architecture) ? `-${architecture.name}` : '';
}

/** The machine that `--arch` on the command line names; this one by default. */
export function wantedArchitecture(): Architecture {
  const { values } = parseArgs({ options: { arch: { type: 'string' } } });
  return architectureOf(values.arch ?? HOST_ARCHITECTURE.name);
}
