import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { kubeconfig } from '../../support/kube/enrich.ts';
import { FakeApi } from '../../support/kube/fake-api.ts';
import { LeaseStore } from '../../support/kube/lease-store.ts';
import { node, owner, pod } from '../../support/kube/objects.ts';
import { freePort, runProgram, startProgram } from '../../support/processes/program.ts';

const PODS = '/api/v1/pods';

let folder: string;
let file: string;
let store: LeaseStore;
let api: FakeApi;
let config: Disposable & { readonly path: string };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netobserv-informers-'));
  file = join(folder, 'pipeline.yaml');
  store = new LeaseStore();
  api = new FakeApi(store.answer);
  await api.start();
  config = kubeconfig({ token: 'secret' }, api.url);
  const web = {
    ips: ['10.0.0.1'],
    owner: ['ReplicaSet', 'web-7f'],
    labels: { app: 'web' },
  } as const;
  api.set(PODS, pod('web-1', web));
  api.set('/api/v1/nodes', node('node-1', ['192.168.0.1'], 'eu-1'));
  api.set('/apis/apps/v1/replicasets', owner('ReplicaSet', 'web-7f', ['Deployment', 'web']));
  api.set('/api/v1/namespaces/observe/pods', pod('flp', { ips: ['127.0.0.1'] }));
});

afterEach(async () => {
  await api.stop();
  config[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function pipeline(healthPort: number, k8scache: string): string {
  return `
healthAddr: 127.0.0.1:${healthPort}
${k8scache}
metricsSettings: { disableGlobalServer: true }
pipeline:
  - { name: net, follows: in }
  - { name: out, follows: net }
parameters:
  - name: in
    ingest: { type: stdin, stdin: {} }
  - name: net
    transform:
      type: network
      network:
        rules:
          - type: add_kubernetes
            kubernetes: { ipField: SrcAddr, output: K, labels_prefix: L, add_zone: true }
  - name: out
    write: { type: stdout, stdout: { format: json } }
`;
}

async function answer(port: number, path: string): Promise<readonly [number, unknown]> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
  return [response?.status ?? 0, await response?.json()];
}

test('a processor names flows by what informers push, and never asks the API', async () => {
  const [cache, healthPort, informersPort] = [await freePort(), await freePort(), await freePort()];
  const k8scache = `k8scache: { address: 127.0.0.1, port: ${cache} }`;
  writeFileSync(file, pipeline(healthPort, k8scache));
  const processor = startProgram(['processor', '--config', file], { stdin: 'pipe' });
  await expect
    .poll(() => answer(healthPort, '/ready?full=1'))
    .toMatchObject([503, { kubernetes: { ok: false, reason: 'informers never came (k8scache)' } }]);
  expect(api.requests).toEqual([]);

  const env = {
    ...process.env,
    ...{ KUBECONFIG: config.path, POD_NAMESPACE: 'observe' },
    ...{ FLP_INFORMERS_PROCESSOR_PORT: `${cache}`, FLP_INFORMERS_METRICS_PORT: '0' },
    FLP_INFORMERS_HEALTH_PORT: `${informersPort}`,
  };
  const informers = startProgram(['informers', '--resync-interval', '5'], { env });
  await informers.waitFor(/a processor has the cluster/);
  await expect.poll(() => answer(healthPort, '/ready')).toEqual([200, {}]);
  await processor.waitFor(/processor is up/);
  processor.child.stdin!.write('{"SrcAddr":"10.0.0.1"}\n');
  const [line] = await processor.waitFor(/^\{.*"SrcAddr".*\}\n/m);
  expect(JSON.parse(line)).toMatchObject({
    ...{ K_Name: 'web-1', K_Namespace: 'shop', K_OwnerName: 'web', K_OwnerType: 'Deployment' },
    ...{ K_HostName: 'node-1', K_Zone: 'eu-1', K_NetworkName: 'primary', L_app: 'web' },
  });
  expect(await answer(informersPort, '/healthz')).toEqual([200, { status: 'ok' }]);
  expect(await answer(informersPort, '/ready')).toMatchObject([200, { ready: true }]);
  expect(await answer(informersPort, '/status')).toMatchObject([
    200,
    { leader: true, objects: 2, processors: [{ address: '127.0.0.1', state: 'current' }] },
  ]);

  expect(await informers.stop()).toBe(0);
  // Given back: the next one need not wait.
  expect(store.holder('observe/flp-informers-lease')).toBe('');
  await expect
    .poll(() => answer(healthPort, '/ready?full=1'))
    .toMatchObject([200, { kubernetes: { note: expect.stringMatching(/^informers have been/) } }]);
  processor.child.stdin!.write('{"SrcAddr":"10.0.0.1","Bytes":1}\n');
  await processor.waitFor(/"Bytes":1.*"K_Name":"web-1"|"K_Name":"web-1".*"Bytes":1/);
  expect(await processor.stop()).toBe(0);
});

test.each([
  [
    'a key that is not there',
    'k8scache: { prot: 1 }',
    /pipeline\.yaml:3:13: unknown key "k8scache\.prot"/,
  ],
  ['no certificate', 'k8scache: { port: 1, tls-enabled: true }', /needs k8scache\.tls-cert-path/],
  ['no mapping', 'k8scache: 9090', /k8scache.*is not a mapping|unknown key "k8scache"/],
])('mistakes in the file: %s', async (_why, k8scache, message) => {
  writeFileSync(file, pipeline(1, k8scache));
  const { code, stderr } = await runProgram(['processor', '--config', file]);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
});
