import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findAccess } from '../../../src/kube/access.ts';
import type { RenewalReport } from '../../../src/telemetry/renewed-files.ts';
import { kubeconfig } from '../../support/kube/enrich.ts';

let folder: string;
const renewals: string[] = [];
const report: RenewalReport = {
  renewed: () => renewals.push('renewed'),
  refused: () => renewals.push('refused'),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'access-'));
  renewals.length = 0;
});

afterEach(() => rmSync(folder, { recursive: true }));

function mountAccount(token: string): void {
  writeFileSync(join(folder, 'token'), token);
  writeFileSync(join(folder, 'ca.crt'), 'PEM');
}

const POD_ENV = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };

test('in a pod: the service account, whose token is renewed', async () => {
  mountAccount('first\n');
  const access = await findAccess('', { ...POD_ENV, HOME: folder }, report, folder);
  expect(access.server).toBe('https://10.96.0.1:6443');
  expect(await access.credentials()).toEqual({
    headers: { authorization: 'Bearer first' },
    tls: { ca: 'PEM' },
  });
  mountAccount('the second');
  expect((await access.credentials()).headers.authorization).toBe('Bearer the second');
  expect(renewals).toEqual(['renewed']);
});

test('an IPv6 address of the API gets brackets', async () => {
  mountAccount('t');
  const env = { KUBERNETES_SERVICE_HOST: 'fd02::1', HOME: folder };
  expect((await findAccess('', env, report, folder)).server).toBe('https://[fd02::1]:443');
});

test('configPath, then KUBECONFIG, then the home folder, then the pod', async () => {
  mountAccount('pod');
  using path = kubeconfig({ token: 'path' }, 'https://path:1/');
  using env = kubeconfig({ token: 'env' }, 'https://env:1');
  using home = kubeconfig({ token: 'home' }, 'https://home:1');
  const all = { ...POD_ENV, KUBECONFIG: env.path, HOME: folder };
  const serverOf = async (configPath: string, environment: typeof all): Promise<string> =>
    (await findAccess(configPath, environment, report, folder)).server;
  expect(await serverOf(path.path, all)).toBe('https://path:1');
  expect(await serverOf('', all)).toBe('https://env:1');
  expect(await serverOf('', { ...all, KUBECONFIG: `${home.path}:${env.path}` })).toBe(
    'https://home:1',
  );
  expect(await serverOf('', { ...all, KUBECONFIG: '' })).toBe('https://10.96.0.1:6443');
  mkdirSync(join(folder, '.kube'));
  const text = JSON.stringify({
    'current-context': 'x',
    clusters: [{ name: 'x', cluster: { server: 'https://own:1' } }],
    users: [{ name: 'x', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
  });
  writeFileSync(join(folder, '.kube', 'config'), text);
  expect(await serverOf('', { ...all, KUBECONFIG: '' })).toBe('https://own:1');
});

test('credentials of a kubeconfig: token, password, certificate, and a program', async () => {
  const of = async (user: object) => {
    using config = kubeconfig(user, 'https://api:6443');
    const access = await findAccess(config.path, {}, report, folder);
    return access.credentials();
  };
  expect(await of({ token: 'secret' })).toEqual({
    headers: { authorization: 'Bearer secret' },
    tls: { rejectUnauthorized: false },
  });
  const { headers } = await of({ username: 'ann', password: 'pw' });
  expect(headers.authorization).toBe('Basic YW5uOnB3');
  const pem = Buffer.from('PEM').toString('base64');
  const { tls } = await of({ 'client-certificate-data': pem, 'client-key-data': pem });
  expect([String(tls.cert), String(tls.key)]).toEqual(['PEM', 'PEM']);
  const status = { token: 'from a program' };
  const answer = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
  const exec = {
    apiVersion: answer.apiVersion,
    command: '/bin/echo',
    args: [JSON.stringify(answer)],
    interactiveMode: 'Never',
  };
  expect((await of({ exec })).headers.authorization).toBe('Bearer from a program');
});

test.each([
  ['no file and no pod', '', {}, 'no kubeconfig, and no service account'],
  ['a pod without a token', '', POD_ENV, 'no kubeconfig, and no service account'],
  ['a file that is not there', '/nowhere/config', {}, '/nowhere/config'],
])('%s', async (_name, path, env, text) => {
  const failing = findAccess(path, { ...env, HOME: folder }, report, folder);
  await expect(failing).rejects.toMatchObject({
    code: 'ERR_KUBE_CONFIG',
    message: expect.stringContaining(text),
  });
});

test.each([
  ['no YAML', '{{{'],
  ['no context', '{}'],
  ['no server', '{"current-context": "x", "contexts": [{"name": "x", "context": {}}]}'],
])('a kubeconfig with %s', async (_name, text) => {
  const path = join(folder, 'config');
  writeFileSync(path, text);
  const failing = findAccess(path, {}, report, folder);
  await expect(failing).rejects.toMatchObject({ code: 'ERR_KUBE_CONFIG' });
});
