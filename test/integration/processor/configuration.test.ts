import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Configuration, Reloads } from '../../../src/commands/processor/configuration.ts';
import { parseDocument } from '../../../src/config/document.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
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

/** The configuration of a file that names the ConfigMap. */
async function open(kubeConfigPath: string, options: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-configuration-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pipeline.json');
  const dynamicParameters = {
    ...{ namespace: 'netobserv', name: 'flp-dynamic', fileName: KEY, kubeConfigPath },
    ...options,
  };
  const write = (more: object): void =>
    writeFileSync(
      path,
      JSON.stringify({ parameters: [{ name: 'in' }], dynamicParameters, ...more }),
    );
  write({});
  const read = async () => parseDocument('pipeline.json', readFileSync(path, 'utf8'));
  const configuration = await Configuration.open({ path, read }, await read(), {});
  onTestFinished(() => configuration.close());
  return { configuration, path, write };
}

test('the parameters of the ConfigMap come after those of the file, each with its place', async () => {
  const { kubeconfig } = await serve(PARAMETERS);
  const { configuration } = await open(kubeconfig);
  const { value, place } = configuration.document;
  expect(value).toMatchObject({
    parameters: [{ name: 'in' }, { name: 'out', write: { type: 'stdout' } }],
  });
  expect(place('parameters[0].name').text).toMatch(/^pipeline\.json:1:/);
  expect(place('parameters[1].write.type').text).toBe(
    'ConfigMap netobserv/flp-dynamic config.json:4:14',
  );
});

test('a file without a ConfigMap', async () => {
  const { configuration } = await open('', { name: '' });
  expect(configuration.document.value).toMatchObject({ parameters: [{ name: 'in' }] });
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
    await expect(open(kubeconfig, options)).rejects.toThrow(message);
  });

  test('not the list of parameters', async () => {
    const { kubeconfig } = await serve('pipeline: []');
    const { configuration } = await open(kubeconfig);
    expect(() => configuration.document).toThrow(
      /config\.json:1:1: expected the list "parameters"/,
    );
  });
});

describe('changes', () => {
  async function started() {
    const api = await serve(PARAMETERS);
    const { configuration, path, write } = await open(api.kubeconfig);
    const clock = new ManualClock();
    const counts = createMetrics('');
    const logged: string[] = [];
    const used: unknown[] = [];
    const reloads = new Reloads(configuration, {
      clock,
      counts,
      log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
      async reload({ value }) {
        if (JSON.stringify(value).includes('wrong')) throw new Error('it is wrong');
        used.push(value);
      },
    });
    await reloads.start();
    onTestFinished(() => reloads.stop());
    const look = async (): Promise<void> => {
      const before = api.requests;
      await expect.poll(() => clock.waiting).toBe(1);
      await clock.advance(POLL_MS);
      await expect.poll(() => api.requests).toBe(before + 1);
      await expect.poll(() => clock.waiting).toBe(1);
    };
    const outcomes = async (): Promise<string> =>
      counts.registry.getSingleMetricAsString('config_reloads_total');
    return { api, look, used, logged, write, path, outcomes };
  }

  test('of the ConfigMap are used; without any, nothing is done', async () => {
    const { api, look, used, outcomes } = await started();
    await look();
    expect(used).toHaveLength(0);
    api.text = PARAMETERS.replace('stdout', 'none');
    await look();
    await look();
    expect(used).toHaveLength(1);
    expect(used[0]).toMatchObject({ parameters: [{ name: 'in' }, { write: { type: 'none' } }] });
    expect(await outcomes()).toContain('{outcome="used"} 1');
  });

  test('of the file are used, and keys that only a start reads are named', async () => {
    const { look, used, logged, write } = await started();
    write({ parameters: [{ name: 'other' }], 'log-level': 'debug' });
    await look();
    expect(used).toMatchObject([{ parameters: [{ name: 'other' }, { name: 'out' }] }]);
    expect(logged.filter((line) => line.includes('from the next start'))).toHaveLength(1);
    expect(logged.join()).toContain('"keys":["log-level"]');
  });

  test('a file that is gone for a moment is the old one', async () => {
    const { look, used, logged, path, write } = await started();
    rmSync(path);
    await look();
    expect([used, logged]).toEqual([[], []]);
    write({ parameters: [] });
    await look();
    expect(used).toHaveLength(1);
  });

  test('that are wrong are reported once, and the old ones stay in use', async () => {
    const { api, look, logged, used, outcomes } = await started();
    api.text = PARAMETERS.replace('stdout', 'wrong');
    await look();
    await look();
    expect(used).toHaveLength(0);
    expect(logged.filter((line) => line.includes('it is wrong'))).toHaveLength(1);
    expect(await outcomes()).toContain('{outcome="refused"} 1');
  });

  test('an API that is away is reported once, and asked again', async () => {
    const { api, look, logged, used } = await started();
    api.status = 503;
    await look();
    await look();
    expect(logged.filter((line) => line.includes('the old one stays in use'))).toHaveLength(1);
    api.status = 200;
    api.text = PARAMETERS.replace('stdout', 'none');
    await look();
    expect(used).toHaveLength(1);
  });
});
