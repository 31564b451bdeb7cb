import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  ContainerNames,
  type NameOutcome,
} from '../../../../src/agent/workloads/container-names.ts';

const ID = '4c01db0b339c'.padEnd(64, 'a7');
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nbt-containers-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, contents: unknown): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  const text = typeof contents === 'string' ? contents : JSON.stringify(contents);
  writeFileSync(join(root, path), text);
}

async function lookUp(id = ID) {
  const outcomes: NameOutcome[] = [];
  const names = new ContainerNames({ root, onLookUp: (outcome) => outcomes.push(outcome) });
  const before = names.nameOf(id);
  await names.idle();
  return { before, name: names.nameOf(id), outcomes, version: names.version };
}

const DOCKER = `var/lib/docker/containers/${ID}/config.v2.json`;
const TASK = 'io.containerd.runtime.v2.task';
const STORAGE = 'overlay-containers/containers.json';
const CRI = {
  'io.kubernetes.cri.container-name': 'nginx',
  'io.kubernetes.cri.sandbox-name': 'web-5d6f',
  'io.kubernetes.cri.sandbox-namespace': 'shop',
};

/** Parts of the files that the runtimes write. */
test.each<readonly [string, string, unknown, string]>([
  ['Docker', DOCKER, { ID, Name: '/web', Config: { Hostname: '4c01db0b339c' } }, 'web'],
  ['cri-dockerd', DOCKER, { Name: '/k8s_nginx_web-5d6f_shop_0a1b-2c_0' }, 'shop/web-5d6f/nginx'],
  [
    'containerd',
    `run/containerd/${TASK}/k8s.io/${ID}/config.json`,
    { annotations: CRI },
    'shop/web-5d6f/nginx',
  ],
  [
    'a sandbox of k3s',
    `run/k3s/containerd/${TASK}/k8s.io/${ID}/config.json`,
    { annotations: { ...CRI, 'io.kubernetes.cri.container-name': undefined } },
    'shop/web-5d6f',
  ],
  [
    'nerdctl',
    `run/containerd/${TASK}/default/${ID}/config.json`,
    { annotations: { 'nerdctl/name': 'cache' } },
    'cache',
  ],
  [
    'Podman',
    `var/lib/containers/storage/${STORAGE}`,
    [
      { id: 'f'.repeat(64), names: ['other'] },
      { id: ID, names: ['db'] },
    ],
    'db',
  ],
  [
    'CRI-O',
    `run/containers/storage/${STORAGE}`,
    [{ id: ID, names: ['k8s_POD_web-5d6f_shop_0a1b-2c_0', ID] }],
    'shop/web-5d6f',
  ],
])('the name that %s has written', async (_what, path, contents, name) => {
  put(path, contents);
  expect(await lookUp()).toEqual({ before: '', name, outcomes: ['found'], version: 1 });
});

test.each<readonly [string, unknown]>([
  ['no JSON', 'Name: web'],
  ['another form', { Name: 7 }],
  ['nothing', ''],
  ['null', null],
  ['too much', `${' '.repeat(1024 ** 2)}{"Name":"/web"}`],
])('a file with %s names nothing', async (_what, contents) => {
  put(DOCKER, contents);
  expect(await lookUp()).toEqual({ before: '', name: '', outcomes: ['unknown'], version: 0 });
});

test('a name is safe to show', async () => {
  put(DOCKER, { Name: `/a\u001b[2J${'b'.repeat(999)}` });
  const { name } = await lookUp();
  expect(name).toMatch(/^a\ufffd\[2Jb+$/);
  expect(name).toHaveLength(253);
});

test('a file that is a pipe does not hold up anything', async () => {
  put(DOCKER, '');
  rmSync(join(root, DOCKER));
  execFileSync('mkfifo', [join(root, DOCKER)]);
  expect((await lookUp()).outcomes).toEqual(['unknown']);
});
