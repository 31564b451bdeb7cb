import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DynamicFile } from '../../../src/commands/processor/dynamic.ts';
import { parseDocument } from '../../../src/config/document.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PATH = '/api/v1/namespaces/netobserv/configmaps/flp-dynamic';
const KEY = 'config.json';
const POLL_MS = 15_000;

/** An API server with one ConfigMap, or with a refusal in place of it. */
async function serve(first: string) {
  const api = { text: first, status: 200, requests: 0, kubeconfig: '' };
  const server = createServer((request, answer) => {
    api.requests++;
    const isThere = request.url === PATH && api.status === 200;
    answer.writeHead(isThere ? 200 : api.status === 200 ? 404 : api.status);
    answer.end(isThere ? JSON.stringify({ data: { [KEY]: api.text, other: 'x' } }) : 'no');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-dynamic-'));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api.kubeconfig = join(folder, 'config');
  writeFileSync(
    api.kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
      clusters: [{ name: 'k', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    }),
  );
  return api;
}

const PARAMETERS = `
parameters:
  - name: out
    write: { type: stdout }
`;

async function read(kubeConfigPath: string, options: object = {}) {
  const clock = new ManualClock();
  const logged: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) });
  const dynamicParameters = {
    ...{ namespace: 'netobserv', name: 'flp-dynamic', fileName: KEY, kubeConfigPath },
    ...options,
  };
  const file = parseDocument(
    'pipeline.json',
    JSON.stringify({ parameters: [{ name: 'in' }], dynamicParameters }),
  );
  const dynamic = await DynamicFile.read(file, { clock, log, env: {} });
  onTestFinished(async () => await dynamic?.stop());
  return { dynamic, clock, logged };
}

test('the parameters of the ConfigMap come after those of the file, each with its place', async () => {
  const { kubeconfig } = await serve(PARAMETERS);
  const { dynamic } = await read(kubeconfig);
  const { value, place } = dynamic!.document;
  expect(value).toMatchObject({
    parameters: [{ name: 'in' }, { name: 'out', write: { type: 'stdout' } }],
  });
  expect(place('parameters[0].name').text).toMatch(/^pipeline\.json:1:/);
  expect(place('parameters[1].write.type').text).toBe(
    'ConfigMap netobserv/flp-dynamic config.json:4:14',
  );
});

test('a file without a ConfigMap', async () => {
  expect((await read('', { name: '' })).dynamic).toBeUndefined();
});

describe('it cannot be read', () => {
  test.each([
    ['no such ConfigMap', { name: 'other' }, /configmaps\/other: HTTP 404/],
    [
      'no such key',
      { fileName: 'config.yaml' },
      /has no key config.yaml; it has config.json, other/,
    ],
  ])('%s', async (_why, options, message) => {
    const { kubeconfig } = await serve(PARAMETERS);
    await expect(read(kubeconfig, options)).rejects.toThrow(message);
  });

  test('not the list of parameters', async () => {
    const { kubeconfig } = await serve('pipeline: []');
    const { dynamic } = await read(kubeconfig);
    expect(() => dynamic!.document).toThrow(/config\.json:1:1: expected the list "parameters"/);
  });
});

describe('changes', () => {
  async function started() {
    const api = await serve(PARAMETERS);
    const { dynamic, clock, logged } = await read(api.kubeconfig);
    let hasChanged = false;
    void dynamic!.changed.then(() => {
      hasChanged = true;
    });
    const checked: unknown[] = [];
    dynamic!.check = ({ value }) => {
      checked.push(value);
      if (JSON.stringify(value).includes('wrong')) throw new Error('it is wrong');
    };
    await dynamic!.start();
    const look = async (): Promise<void> => {
      const before = api.requests;
      await expect.poll(() => clock.waiting).toBe(1);
      await clock.advance(POLL_MS);
      await expect.poll(() => api.requests).toBe(before + 1);
      await expect.poll(() => clock.waiting).toBe(1);
    };
    return { api, look, checked, logged, hasChanged: () => hasChanged };
  }

  test('right ones end the processor; none do not', async () => {
    const { api, look, checked, hasChanged } = await started();
    await look();
    expect(hasChanged()).toBe(false);
    api.text = PARAMETERS.replace('stdout', 'none');
    await look();
    expect(hasChanged()).toBe(true);
    expect(checked).toHaveLength(1);
    expect(checked[0]).toMatchObject({ parameters: [{ name: 'in' }, { write: { type: 'none' } }] });
  });

  test('wrong ones are reported once, and the old ones stay in use', async () => {
    const { api, look, logged, hasChanged } = await started();
    api.text = PARAMETERS.replace('stdout', 'wrong');
    await look();
    await look();
    expect(hasChanged()).toBe(false);
    expect(logged.filter((line) => line.includes('it is wrong'))).toHaveLength(1);
  });

  test('an API that is away is reported once, and asked again', async () => {
    const { api, look, logged, hasChanged } = await started();
    api.status = 503;
    await look();
    await look();
    expect(logged.filter((line) => line.includes('the old ones stay in use'))).toHaveLength(1);
    api.status = 200;
    api.text = PARAMETERS.replace('stdout', 'none');
    await look();
    expect(hasChanged()).toBe(true);
  });
});
