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

const OUTPUT = join(ROOT, 'build/native/netobserv.node');
/** Each before those that it calls: libelf has used zstd since Debian 13. */
const ARCHIVES = ['libbpf.a', 'libelf.a', 'libz.a', 'libzstd.a'];

const FLAGS = [
  ...['-std=gnu11', '-O2', '-g', '-fPIC', '-fvisibility=hidden'],
  ...['-Wall', '-Wextra', '-Werror', '-Wno-missing-field-initializers'],
  ...['-D_FORTIFY_SOURCE=2', '-fstack-protector-strong'],
  ...['-shared', '-Wl,--exclude-libs,ALL', '-Wl,-z,relro,-z,now', '-Wl,--wrap=stderr'],
];

function archive(name: string): string {
  const path = execFileSync('cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  if (path === name) {
    throw new Error(`${name} is missing: install libbpf-dev, libelf-dev, zlib1g-dev, libzstd-dev`);
  }
  return path;
}

export function buildNative(): void {
  const folder = join(ROOT, 'native');
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (isUpToDate(OUTPUT, [...files, import.meta.filename])) return;
  const resolve = createRequire(import.meta.url).resolve;
  const headers = join(dirname(resolve('node-api-headers/package.json')), 'include');
  const sources = files.filter((name) => name.endsWith('.c'));
  mkdirSync(dirname(OUTPUT), { recursive: true });
  const draft = `${OUTPUT}.${process.pid}`;
  const args = [...FLAGS, `-I${headers}`, ...sources, ...ARCHIVES.map(archive), '-o', draft];
  execFileSync('cc', args, { stdio: 'inherit' });
  // The linker lets a shared library lack symbols; loading finds those that Node has not either.
  process.dlopen({ exports: {} }, draft);
  renameSync(draft, OUTPUT);
}

if (import.meta.main) buildNative();
