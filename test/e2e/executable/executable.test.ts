import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EXECUTABLE, runProgram } from '../../support/processes/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-executable-'));
afterAll(() => rmSync(folder, { recursive: true }));

// An empty folder and no environment: neither PATH nor HOME, and no way to find node_modules.
const alone = { flavour: 'packed', cwd: folder, env: {} } as const;

test('it knows what it was built from', async () => {
  const { code, stdout } = await runProgram(['version', '-o', 'json'], alone);
  expect(code).toBe(0);
  const facts: unknown = JSON.parse(stdout);
  expect(facts).toMatchObject({ node: process.versions.node, version: expect.any(String) });
  expect(facts).not.toMatchObject({ commit: 'development' });
});

test('help needs no library to be unpacked', async () => {
  const { code, stdout } = await runProgram(['--help'], alone);
  expect(code).toBe(0);
  expect(stdout).toContain('netobserv up');
  expect(readdirSync(folder)).toEqual([]);
});

test('`up --help` fits a screen', async () => {
  const { stdout } = await runProgram(['up', '--help'], alone);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(20);
  expect(lines.length).toBeLessThanOrEqual(50);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
});

test.each([
  [['upp'], 'did you mean up?'],
  [['up', '--lisen', 'x'], 'did you mean --listen?'],
  [['up', '--sampling', 'many'], '--sampling: "many" is not a whole number'],
  [['up', '--config', '/nowhere'], 'cannot read --config /nowhere'],
])('%j is refused with what would be right', async (args, message) => {
  const { code, stdout, stderr } = await runProgram(args, alone);
  expect(stderr).toContain(message);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stdout).toBe('');
  expect(code).toBe(2);
});

test.each([
  ['NODE_OPTIONS', '--require=/nowhere.js'],
  ['NODE_V8_COVERAGE', join(folder, 'made-by-node')],
  ['NODE_COMPILE_CACHE', join(folder, 'made-by-node')],
  ['NODE_REDIRECT_WARNINGS', join(folder, 'made-by-node')],
  ['NODE_REPL_EXTERNAL_MODULE', '/nowhere.js'],
  ['NODE_EXTRA_CA_CERTS', '/nowhere.pem'],
  ['NODE_DEBUG', 'module,net,http'],
  ['NODE_PENDING_DEPRECATION', '1'],
  ['NODE_TLS_REJECT_UNAUTHORIZED', '0'],
])('what %s asks of Node is not asked of this program', async (name, value) => {
  const env = { [name]: value };
  const { code, stderr } = await runProgram(['version'], { ...alone, env });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(readdirSync(folder)).toEqual([]);
});

test.each([['version'], ['--help'], ['completion', 'bash']])(
  '%s whose output finds no room is not done',
  (...args) => {
    const out = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(EXECUTABLE, args, {
      ...{ cwd: folder, env: {}, encoding: 'utf8' },
      stdio: ['ignore', out, 'pipe'],
    });
    closeSync(out);
    expect(stderr).toMatch(/^error: standard output takes nothing: ENOSPC.* \[ERR_OUTPUT\]\n$/);
    expect(status).toBe(1);
  },
);

test('errors that nobody can read do no more harm than that', () => {
  const full = openSync('/dev/full', 'w');
  const { status } = spawnSync(EXECUTABLE, ['upp'], {
    ...{ cwd: folder, env: {} },
    stdio: ['ignore', full, full],
  });
  closeSync(full);
  expect(status).toBe(2);
});

test('it is linked with nothing but the C and C++ run-time libraries', () => {
  const dynamic = execFileSync('readelf', ['-d', EXECUTABLE], { encoding: 'utf8' });
  const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.+?)\]/g)].map(([, name]) => basename(name!));
  const allowed =
    /^(libc|libm|libdl|libpthread|librt)\.so\.|^ld-linux|^libstdc\+\+\.so|^libgcc_s\.so/;
  expect(needed.length).toBeGreaterThan(0);
  expect(needed.filter((name) => !allowed.test(name))).toEqual([]);
});
