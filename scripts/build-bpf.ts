/**
 * Compiles the eBPF objects into build/bpf. Fast if they are newer than every source.
 *
 * The objects hold only fixed-width types and helper calls, so one build serves both x86-64 and
 * arm64.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from './steps.ts';
import { isUpToDate } from './up-to-date.ts';

const SOURCES = [join(ROOT, 'bpf'), join(ROOT, 'bpf/tests')];
const OUTPUT = join(ROOT, 'build/bpf');

const FLAGS = [
  ...['-target', 'bpf', '-mcpu=v3', '-O2', '-g'],
  ...['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter'],
];

/** Debian keeps asm/types.h in a folder named after the machine; `-target bpf` omits it. */
function machineInclude(): string {
  const triple = execFileSync('cc', ['-dumpmachine'], { encoding: 'utf8' }).trim();
  return `-I/usr/include/${triple}`;
}

export function buildBpf(): void {
  const files = SOURCES.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  const inputs = [...files, import.meta.filename];
  mkdirSync(OUTPUT, { recursive: true });
  for (const source of files.filter((name) => name.endsWith('.bpf.c'))) {
    const object = join(OUTPUT, basename(source).replace(/\.c$/, '.o'));
    if (isUpToDate(object, inputs)) continue;
    // Renamed into place, so that an interrupted run leaves no half-written object that looks new.
    const draft = `${object}.${process.pid}`;
    const args = [...FLAGS, machineInclude(), `-I${join(ROOT, 'bpf')}`, '-c', source, '-o', draft];
    execFileSync('clang', args, { stdio: 'inherit' });
    renameSync(draft, object);
  }
}

if (import.meta.main) buildBpf();
