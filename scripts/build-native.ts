/**
 * Compiles the addon to build/native/netobserv.node, or with `--arch arm64` on another machine to
 * build/native/arm64/netobserv.node. Fast if it is newer than every source.
 *
 * libbpf and its dependencies are linked in from Debian's archives, so the result needs only glibc;
 * their symbols stay hidden, since the Node executable has its own zlib.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  type Architecture,
  HOST_ARCHITECTURE,
  isForeign,
  wantedArchitecture,
} from './architectures.ts';
import { cached, fetchWhole } from './cache.ts';
import { Apt, hostRelease } from './debian.ts';
import { output as commandOutput, ROOT } from './steps.ts';
import { isUpToDate } from './up-to-date.ts';

/** `sanitized`: with reports of GCC's sanitizers; loads only if libasan is already loaded. */
export type NativeFlavour = 'release' | 'sanitized';

const FILES: Readonly<Record<NativeFlavour, string>> = {
  release: 'netobserv.node',
  sanitized: 'netobserv-sanitized.node',
};
/** Each library before those that it calls: libelf has used zstd since Debian 13. */
const ARCHIVES = ['libbpf.a', 'libelf.a', 'libz.a', 'libzstd.a'];
const ARCHIVE_PACKAGES = ['libbpf-dev', 'libelf-dev', 'zlib1g-dev', 'libzstd-dev'];

/** Path of an architecture's addon, relative to the root. */
export function nativePath(architecture: Architecture, flavour: NativeFlavour = 'release'): string {
  const folder = isForeign(architecture) ? `${architecture.name}/` : '';
  return `build/native/${folder}${FILES[flavour]}`;
}

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
  // See native/verify.c.
  '-Wl,--wrap=bpf_prog_load',
];

/** The file that the compiler would link for a name; undefined if there is none. */
function findLibrary(name: string): string | undefined {
  const path = execFileSync('cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  return path === name ? undefined : path;
}

/** The library to preload for the sanitized addon; it comes with GCC. */
export function findSanitizer(): string | undefined {
  return findLibrary('libasan.so');
}

/** Compiler options, beyond its flags, for finding the archives and their headers. */
interface Libraries {
  readonly compiler: string;
  readonly includes: readonly string[];
  readonly archives: readonly string[];
}

function ownLibraries(): Libraries {
  const archives = ARCHIVES.map((name) => {
    const path = findLibrary(name);
    if (path !== undefined) return path;
    throw new Error(`${name} is missing: install ${ARCHIVE_PACKAGES.join(', ')}`);
  });
  return { compiler: 'cc', includes: [], archives };
}

/** The same release of Debian as the host's, hence the same glibc; none of it is installed. */
function foreignLibraries(architecture: Architecture): Libraries {
  const release = hostRelease();
  const folder = cached('sysroots', `${release}-${architecture.debian}`);
  fetchWhole(folder, (draft) => {
    using apt = new Apt(release, architecture);
    apt.unpack(ARCHIVE_PACKAGES, draft);
  });
  const { triple } = architecture;
  const compiler = `${triple}-gcc`;
  if (commandOutput(compiler, ['--version']) === undefined) {
    const packages = `gcc-${triple.replace('_', '-')} and libc6-dev-${architecture.debian}-cross`;
    throw new Error(`${compiler} is missing: install ${packages}`);
  }
  return {
    compiler,
    includes: [`-I${folder}/usr/include`, `-I${folder}/usr/include/${triple}`],
    archives: ARCHIVES.map((name) => join(folder, 'usr/lib', triple, name)),
  };
}

/** Returns the addon's path. */
export function buildNative(
  flavour: NativeFlavour = 'release',
  architecture: Architecture = HOST_ARCHITECTURE,
): string {
  const output = join(ROOT, nativePath(architecture, flavour));
  const folder = join(ROOT, 'native');
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (isUpToDate(output, [...files, import.meta.filename])) return output;
  const resolve = createRequire(import.meta.url).resolve;
  const headers = join(dirname(resolve('node-api-headers/package.json')), 'include');
  const sources = files.filter((name) => name.endsWith('.c'));
  mkdirSync(dirname(output), { recursive: true });
  const draft = `${output}.${process.pid}`;
  const foreign = isForeign(architecture);
  const { compiler, includes, archives } = foreign
    ? foreignLibraries(architecture)
    : ownLibraries();
  const flags = [...FLAVOUR_FLAGS[flavour], ...FLAGS, `-I${headers}`, ...includes];
  execFileSync(compiler, [...flags, ...sources, ...archives, '-o', draft], { stdio: 'inherit' });
  // The linker accepts undefined symbols in a shared library; loading finds those that Node lacks.
  if (flavour === 'release' && !foreign) process.dlopen({ exports: {} }, draft);
  renameSync(draft, output);
  return output;
}

if (import.meta.main) buildNative('release', wantedArchitecture());
