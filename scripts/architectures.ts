import { parseArgs } from 'node:util';

/** A machine that netobserv is built for, in the words of those who are asked for its parts. */
export interface Architecture {
  /** Of Node and npm. */
  readonly name: 'x64' | 'arm64';
  /** Of Debian, which also names kernels after it. */
  readonly debian: string;
  /** Of GCC and binutils. */
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

/** The machine that this runs on. */
export const HOST_ARCHITECTURE = architectureOf(process.arch);

export function isForeign({ name }: Architecture): boolean {
  return name !== HOST_ARCHITECTURE.name;
}

/** What follows a name that is bare for the host's own: `-arm64`. */
export function suffixOf(architecture: Architecture): string {
  return isForeign(architecture) ? `-${architecture.name}` : '';
}

/** What `--arch` on the command line asks for: this machine when it is not given. */
export function wantedArchitecture(): Architecture {
  const { values } = parseArgs({ options: { arch: { type: 'string' } } });
  return architectureOf(values.arch ?? HOST_ARCHITECTURE.name);
}
