/**
 * Compiles the addon to build/native/netobserv.node. Quick when it is newer than every source.
 *
 * libbpf and what it needs are linked in from Debian's archives, so that the result needs nothing
 * beyond glibc; their symbols stay hidden, since the Node executable brings a zlib of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROOT } from './steps.ts';
import { isUpToDate } from './up-to-date.ts';

/** `sanitized`: with reports of GCC's sanitizers; loads only where libasan was loaded before. */
export type NativeFlavour = 'release' | 'sanitized';

const OUTPUTS: Readonly<Record<NativeFlavour, string>> = {
  release: join(ROOT, 'build/native/netobserv.node'),
  sanitized: join(ROOT, 'build/native/netobserv-sanitized.node'),
};
/** Each before those that it calls: libelf has used zstd since Debian 13. */
const ARCHIVES = ['libbpf.a', 'libelf.a', 'libz.a', 'libzstd.a'];

const FLAVOUR_FLAGS: Readonly<Record<NativeFlavour, readonly string[]>> = {
  release: ['-O2', '-D_FORTIFY_SOURCE=2', '-fstack-protector-strong'],
  sanitized: [
    ...['-O1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined'],
    '-fno-sanitize-recover=undefined',
  ],
};

const FLAGS = [
  ...['-std=gnu11', '-g', '-fPIC', '-fvisibility=hidden'],
  ...['-Wall', '-Wextra', '-Werror', '-Wno-missing-field-initializers'],
  ...['-shared', '-Wl,--exclude-libs,ALL', '-Wl,-z,relro,-z,now', '-Wl,--wrap=stderr'],
];

/** What the compiler would link for a name; undefined when it has none. */
function findLibrary(name: string): string | undefined {
  const path = execFileSync('cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  return path === name ? undefined : path;
}

/** The library that has to be preloaded for the sanitized addon; it comes with GCC. */
export function findSanitizer(): string | undefined {
  return findLibrary('libasan.so');
}

function archive(name: string): string {
  const path = findLibrary(name);
  if (path === undefined) {
    throw new Error(`${name} is missing: install libbpf-dev, libelf-dev, zlib1g-dev, libzstd-dev`);
  }
  return path;
}

/** Returns the addon's path. */
export function buildNative(flavour: NativeFlavour = 'release'): string {
  const output = OUTPUTS[flavour];
  const folder = join(ROOT, 'native');
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (isUpToDate(output, [...files, import.meta.filename])) return output;
  const resolve = createRequire(import.meta.url).resolve;
  const headers = join(dirname(resolve('node-api-headers/package.json')), 'include');
  const sources = files.filter((name) => name.endsWith('.c'));
  mkdirSync(dirname(output), { recursive: true });
  const draft = `${output}.${process.pid}`;
  const flags = [...FLAVOUR_FLAGS[flavour], ...FLAGS, `-I${headers}`];
  const args = [...flags, ...sources, ...ARCHIVES.map(archive), '-o', draft];
  execFileSync('cc', args, { stdio: 'inherit' });
  // The linker lets a shared library lack symbols; loading finds those that Node has not either.
  if (flavour === 'release') process.dlopen({ exports: {} }, draft);
  renameSync(draft, output);
  return output;
}

if (import.meta.main) buildNative();
