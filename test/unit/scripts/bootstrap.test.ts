import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { ROOT } from '../../support/source-tree.ts';

const base = mkdtempSync(join(tmpdir(), 'netobserv-bootstrap-'));
afterAll(() => rmSync(base, { recursive: true }));

// The script's tools besides the shell; all other programs of this host are hidden from it.
const TOOLS = ['cat', 'dirname', 'find', 'sed', 'uname'];
const BUILD_TOOLS = ['clang', 'gcc', 'strip'];

let clone = '';
let bin = '';
beforeEach(() => {
  clone = mkdtempSync(join(base, 'clone-'));
  bin = join(clone, 'bin');
  mkdirSync(bin);
  mkdirSync(join(clone, 'scripts'));
  copyFileSync(join(ROOT, 'scripts/bootstrap.sh'), join(clone, 'scripts/bootstrap.sh'));
  writeFileSync(join(clone, 'package-lock.json'), '{}');
  for (const tool of TOOLS) {
    const path = execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim();
    symlinkSync(path, join(bin, tool));
  }
  fake('id', 'echo 0');
  fake('npm', 'echo "npm $*" >> log; mkdir -p node_modules/.bin; touch node_modules/.bin/node');
  writeFileSync(join(bin, 'npm'), 'chmod +x node_modules/.bin/node\n', { flag: 'a' });
  writeFileSync(join(bin, 'npm'), 'touch node_modules/.package-lock.json\n', { flag: 'a' });
  symlinkSync('/usr/bin/touch', join(bin, 'touch'));
  symlinkSync('/bin/mkdir', join(bin, 'mkdir'));
  symlinkSync('/bin/chmod', join(bin, 'chmod'));
  for (const tool of BUILD_TOOLS) fake(tool, '');
});

function fake(name: string, script: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(bin, name), 0o755);
}

function bootstrap(goal: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('/bin/sh', [join(clone, 'scripts/bootstrap.sh'), goal], {
    encoding: 'utf8',
    env: { PATH: bin },
  });
}

const log = (): string => {
  const path = join(clone, 'log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

test('a fresh clone gets its npm packages, a second run is silent', () => {
  const first = bootstrap('build');
  expect(first).toMatchObject({ status: 0, stdout: 'installing npm packages\n', stderr: '' });
  expect(log()).toBe('npm ci --loglevel=error --no-audit --no-fund\n');
  expect(bootstrap('build')).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect(log().split('\n')).toHaveLength(2);
});

test('a newer lockfile installs again', () => {
  bootstrap('build');
  utimesSync(join(clone, 'package-lock.json'), 4e9, 4e9);
  expect(bootstrap('build').stdout).toBe('installing npm packages\n');
});

test('root on Debian gets what is missing for the goal, after being told', () => {
  rmSync(join(bin, 'clang'));
  fake('apt-get', `echo "apt-get $*" >> ${clone}/log; cp ${bin}/gcc ${bin}/clang`);
  symlinkSync('/bin/cp', join(bin, 'cp'));
  const { status, stdout } = bootstrap('build');
  expect(status).toBe(0);
  expect(stdout).toBe('installing Debian packages: clang\ninstalling npm packages\n');
  expect(log()).toContain('apt-get install -y -qq --no-install-recommends clang\n');
});

test('a first try that fails is repeated with new package lists', () => {
  rmSync(join(bin, 'clang'));
  const count = `${clone}/updated`;
  fake(
    'apt-get',
    `echo "$1" >> ${clone}/log; [ "$1" = update ] && touch ${count}; [ -e ${count} ]`,
  );
  expect(bootstrap('build').status).toBe(0);
  expect(log()).toBe('install\nupdate\ninstall\nnpm ci --loglevel=error --no-audit --no-fund\n');
});

test('what apt reports is shown once, when it fails for good', () => {
  rmSync(join(bin, 'clang'));
  fake('apt-get', '[ "$1" = update ] || { echo "E: no such package"; exit 100; }');
  const { status, stdout, stderr } = bootstrap('build');
  expect(status).toBe(1);
  expect(stdout).toBe('installing Debian packages: clang\n');
  expect(stderr).toBe('E: no such package\n');
});

test('the link to Node that npm 9 removes is made again', () => {
  fake(
    'npm',
    `mkdir -p node_modules/.bin; touch node_modules/.package-lock.json
    [ "$1" = ci ] || { touch node_modules/.bin/node; chmod +x node_modules/.bin/node; }`,
  );
  expect(bootstrap('build')).toMatchObject({ status: 0, stderr: '' });
});

test('a machine that npm has no Node for is told so', () => {
  fake('npm', 'mkdir -p node_modules/.bin; touch node_modules/.package-lock.json');
  const { status, stderr } = bootstrap('build');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^error: npm has no Node 24 for .*: supported are x86_64 and aarch64/);
});

test('anybody else is told once what to install, and nothing is done', () => {
  for (const tool of BUILD_TOOLS) rmSync(join(bin, tool));
  fake('id', 'echo 1000');
  fake('apt-get', `echo called >> ${clone}/log`);
  const { status, stdout, stderr } = bootstrap('test');
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/apt-get install -y --no-install-recommends .*\bclang\b.*\bgcc\b/);
  expect(stderr).toMatch(/\bchromium-headless-shell\b/);
  expect(log()).toBe('');
});

test('a goal needs only its own packages', () => {
  // Tools of the tests, such as tcpdump, are hidden here; building does not need them.
  expect(bootstrap('start').status).toBe(0);
});

test('the goal of real servers needs all that others do, and Java and collectors', () => {
  fake('id', 'echo 1000');
  const { status, stderr } = bootstrap('services');
  expect(status).toBe(1);
  for (const wanted of ['shellcheck', 'tcpdump', 'default-jre-headless', 'maven', 'nfdump']) {
    expect(stderr).toMatch(new RegExp(`\\b${wanted}\\b`));
  }
  const tests = bootstrap('test').stderr;
  expect(tests).toMatch(/\btcpdump\b/);
  expect(tests).not.toMatch(/\bmaven\b/);
});

test('the goal of other kernels needs what builds and what boots, and no servers', () => {
  fake('id', 'echo 1000');
  rmSync(join(bin, 'clang'));
  const { status, stderr } = bootstrap('kernels');
  expect(status).toBe(1);
  for (const wanted of ['clang', 'qemu-system-x86', 'qemu-system-arm']) {
    expect(stderr).toMatch(new RegExp(`\\b${wanted}\\b`));
  }
  expect(stderr).not.toMatch(/\b(maven|chromium)\b/);
});

test('an unknown goal is refused', () => {
  expect(bootstrap('everything')).toMatchObject({ status: 2 });
});
