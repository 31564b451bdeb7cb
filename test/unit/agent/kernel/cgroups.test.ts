import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ControlGroups } from '../../../../src/agent/kernel/cgroups.ts';

describe('paths', () => {
  let folder: string;
  let mounts: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nbt-cgroups-'));
    mkdirSync(join(folder, 'root/a/b'), { recursive: true });
    mounts = join(folder, 'mounts');
    writeFileSync(
      mounts,
      `cgroup /elsewhere cgroup rw 0 0\ncgroup2 ${join(folder, 'root')} cgroup2 rw 0 0\n`,
    );
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const inodeOf = (path: string): number => statSync(join(folder, 'root', path)).ino;

  const open = (): ControlGroups => new ControlGroups({ mounts, processes: folder });
  const GONE = 1;

  test('by the number of the folder', () => {
    const groups = open();
    expect(groups.pathOf(inodeOf(''), GONE)).toBe('/');
    expect(groups.pathOf(inodeOf('a/b'), GONE)).toBe('/a/b');
    expect(groups.pathOf(inodeOf('a'), GONE)).toBe('/a');
  });

  test('of one that came later, and of one that has gone since', () => {
    const groups = open();
    groups.pathOf(inodeOf('a'), GONE);
    mkdirSync(join(folder, 'root/c'));
    const number = inodeOf('c');
    groups.renew();
    expect(groups.pathOf(number, GONE)).toBe('/c');
    rmdirSync(join(folder, 'root/c'));
    expect(groups.pathOf(number, GONE)).toBe('/c');
  });

  test('a process tells without a search, unless it has moved on', () => {
    const groups = open();
    groups.pathOf(inodeOf('a'), GONE);
    mkdirSync(join(folder, 'root/c'));
    mkdirSync(join(folder, 'root/d'));
    mkdirSync(join(folder, '42'));
    writeFileSync(join(folder, '42/cgroup'), '2:cpu:/elsewhere\n0::/c\n');
    expect(groups.pathOf(inodeOf('c'), 42)).toBe('/c');
    expect(groups.pathOf(inodeOf('d'), 42)).toBe('');
  });

  test('of none, and where there is no cgroup v2', () => {
    expect(open().pathOf(1, GONE)).toBe('');
    writeFileSync(mounts, 'cgroup /elsewhere cgroup rw 0 0\n');
    expect(open().pathOf(inodeOf('a'), GONE)).toBe('');
  });
});
