import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { agentColumns } from '../../../../../src/flow/agent-columns.ts';
import { cut } from '../../../../../src/pipeline/transform/network/kubernetes-texts.ts';
import { enrich } from '../../../../support/kube/enrich.ts';
import { FakeApi } from '../../../../support/kube/fake-api.ts';
import { node, owner, pod, service, slice } from '../../../../support/kube/objects.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

const PODS = '/api/v1/pods';
const NODES = '/api/v1/nodes';
const SERVICES = '/api/v1/services';
const SLICES = '/apis/discovery.k8s.io/v1/endpointslices';
const REPLICA_SETS = '/apis/apps/v1/replicasets';

let api: FakeApi;

beforeEach(async () => {
  api = new FakeApi();
  await api.start();
});

afterEach(() => api.stop());

/** Fields that a rule for `SrcAddr` adds to a flow; `SrcK8S` is its output unless it has one. */
async function added(
  flow: Readonly<Record<string, unknown>>,
  rule: object = {},
  kubeConfig: object = {},
): Promise<Readonly<Record<string, unknown>>> {
  const kubernetes = { ipField: 'SrcAddr', output: 'SrcK8S', ...rule };
  const rules = [{ type: 'add_kubernetes', kubernetes }];
  const { rows } = await enrich(api, { rules, kubeConfig }, [flow]);
  const given = new Set(Object.keys(flow));
  return Object.fromEntries(Object.entries(rows[0]!).filter(([key]) => !given.has(key)));
}

const WEB = {
  SrcK8S_Namespace: 'shop',
  SrcK8S_Name: 'web-1-x',
  SrcK8S_Type: 'Pod',
  SrcK8S_OwnerName: 'web',
  SrcK8S_OwnerType: 'Deployment',
  SrcK8S_NetworkName: 'primary',
  SrcK8S_HostIP: '192.168.0.1',
  SrcK8S_HostName: 'node-1',
};

function addWeb(more: object = {}): void {
  api.set(PODS, pod('web-1-x', { ips: ['10.0.0.5'], owner: ['ReplicaSet', 'web-1'], ...more }));
  api.set(REPLICA_SETS, owner('ReplicaSet', 'web-1', ['Deployment', 'web']));
}

test('output: the fields of a pod', async () => {
  addWeb();
  expect(await added({ SrcAddr: '10.0.0.5' })).toEqual(WEB);
  const other = await added({ DstAddr: '10.0.0.5' }, { ipField: 'DstAddr', output: 'X' });
  expect(other).toMatchObject({ X_Name: 'web-1-x', X_HostIP: '192.168.0.1' });
});

test('the fields of a node and of a service; a node has no namespace, a service no host', async () => {
  api.set(NODES, node('node-1', ['192.168.0.1']));
  api.set(SERVICES, service('cart', ['10.96.0.9'], { ingress: [{ ip: '198.51.100.7' }] }));
  expect(await added({ SrcAddr: '192.168.0.1' })).toEqual({
    SrcK8S_Name: 'node-1',
    SrcK8S_Type: 'Node',
    SrcK8S_OwnerName: 'node-1',
    SrcK8S_OwnerType: 'Node',
    SrcK8S_NetworkName: 'primary',
    SrcK8S_HostIP: '192.168.0.1',
    SrcK8S_HostName: 'node-1',
  });
  expect(await added({ SrcAddr: '198.51.100.7' })).toEqual({
    SrcK8S_Namespace: 'shop',
    SrcK8S_Name: 'cart',
    SrcK8S_Type: 'Service',
    SrcK8S_OwnerName: 'cart',
    SrcK8S_OwnerType: 'Service',
    SrcK8S_NetworkName: 'primary',
  });
  expect(await added({ SrcAddr: '203.0.113.99' })).toEqual({});
  expect(await added({ Bytes: 1 })).toEqual({});
});

test('an endpoint outside of the cluster names its service; pods and nodes keep their names', async () => {
  addWeb();
  api.set(NODES, node('node-1', ['192.168.0.1']));
  api.set(
    SLICES,
    slice('db', [['203.0.113.9'], ['192.168.0.1'], ['10.0.0.5'], ['10.0.0.6', 'Pod']]),
  );
  expect(await added({ SrcAddr: '203.0.113.9' })).toEqual({
    SrcK8S_Namespace: 'shop',
    SrcK8S_Name: 'db',
    SrcK8S_Type: 'Service',
    SrcK8S_OwnerName: 'db',
    SrcK8S_OwnerType: 'Service',
    SrcK8S_NetworkName: 'primary',
  });
  expect(await added({ SrcAddr: '192.168.0.1' })).toMatchObject({ SrcK8S_Name: 'node-1' });
  expect(await added({ SrcAddr: '10.0.0.5' })).toEqual(WEB);
  // A pod that is not known, or not any more.
  expect(await added({ SrcAddr: '10.0.0.6' })).toEqual({});
  const labels = { labels_prefix: 'L' };
  expect(await added({ SrcAddr: '203.0.113.9' }, labels)).not.toHaveProperty('L_team');
  const otel = await added({ SrcAddr: '203.0.113.9' }, { assignee: 'otel', output: '' });
  expect(otel).toMatchObject({ 'k8s.type': 'Service', 'k8s.service.name': 'db' });
  expect(otel).not.toHaveProperty('k8s.service.uid');
  const read = api.requests.filter(({ path }) => path === SLICES);
  expect(new Set(read.map(({ query }) => query.get('labelSelector')))).toEqual(
    new Set(['endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io']),
  );
});

test('both ends, and the start of each flow decides', async () => {
  const nowMs = Math.floor(Date.now() / 1000) * 1000;
  const finishedMs = nowMs - 60_000;
  const startMs = nowMs - 600_000;
  api.set(PODS, pod('old', { ips: ['10.0.0.5'], phase: 'Succeeded', startMs, finishedMs }));
  api.set(PODS, pod('new', { ips: ['10.0.0.5'], readyMs: nowMs - 30_000 }));
  const side = (name: string) => ({
    type: 'add_kubernetes',
    kubernetes: { ipField: `${name}Addr`, output: `${name}K8S` },
  });
  const flow = (atMs: number) => ({
    SrcAddr: '10.0.0.5',
    DstAddr: '10.0.0.5',
    TimeFlowStartMs: atMs,
  });
  const { rows } = await enrich(api, { rules: [side('Src'), side('Dst')] }, [
    flow(nowMs - 700_000),
    flow(nowMs - 100_000),
    flow(nowMs - 45_000),
    flow(nowMs - 1000),
    { SrcAddr: '10.0.0.5', DstAddr: '10.0.0.6' },
  ]);
  expect(rows.map(({ SrcK8S_Name, DstK8S_Name }) => [SrcK8S_Name, DstK8S_Name])).toEqual([
    [undefined, undefined],
    ['old', 'old'],
    [undefined, undefined],
    ['new', 'new'],
    ['new', undefined],
  ]);
});

test('add_zone: of the node, and of the node of a pod', async () => {
  addWeb();
  api.set(NODES, node('node-1', ['192.168.0.1'], 'zone-b'));
  api.set(SERVICES, service('cart', ['10.96.0.9']));
  const rule = { add_zone: true };
  expect(await added({ SrcAddr: '10.0.0.5' }, rule)).toEqual({ ...WEB, SrcK8S_Zone: 'zone-b' });
  expect(await added({ SrcAddr: '192.168.0.1' }, rule)).toMatchObject({ SrcK8S_Zone: 'zone-b' });
  expect(await added({ SrcAddr: '10.96.0.9' }, rule)).not.toHaveProperty('SrcK8S_Zone');
});

test('assignee: otel', async () => {
  addWeb();
  api.set(NODES, node('node-1', ['192.168.0.1'], 'zone-b'));
  const rule = { assignee: 'otel', output: 'source.', add_zone: true };
  expect(await added({ SrcAddr: '10.0.0.5' }, rule)).toEqual({
    'source.k8s.namespace.name': 'shop',
    'source.k8s.name': 'web-1-x',
    'source.k8s.type': 'Pod',
    'source.k8s.owner.name': 'web',
    'source.k8s.owner.type': 'Deployment',
    'source.k8s.net.name': 'primary',
    'source.k8s.host.ip': '192.168.0.1',
    'source.k8s.host.name': 'node-1',
    'source.k8s.zone': 'zone-b',
    'source.k8s.pod.name': 'web-1-x',
    'source.k8s.pod.uid': 'uid-web-1-x',
  });
  expect(await added({ SrcAddr: '192.168.0.1' }, rule)).toMatchObject({
    'source.k8s.node.name': 'node-1',
    'source.k8s.node.uid': 'uid-node-1',
  });
});

describe('labels and annotations', () => {
  const texts = { app: 'web', tier: 'front', secret: 'x', long: 'äöü-0123456789' };

  test('label_inclusions, label_exclusions and label_value_max_length', async () => {
    addWeb({ labels: texts });
    const rule = {
      labels_prefix: 'SrcLabel',
      label_inclusions: ['app', 'long', 'secret', 'missing'],
      label_exclusions: ['secret'],
      label_value_max_length: 6,
    };
    expect(await added({ SrcAddr: '10.0.0.5' }, rule)).toEqual({
      ...WEB,
      SrcLabel_app: 'web',
      SrcLabel_long: 'äöü...',
    });
    const otel = { ...rule, assignee: 'otel', output: '' };
    expect(await added({ SrcAddr: '10.0.0.5' }, otel)).toMatchObject({ 'SrcLabel.app': 'web' });
  });

  test('without inclusions all labels are added, to rows with keys of their own, too', async () => {
    addWeb({ labels: texts, annotations: { note: 'n', secret: 'y' } });
    const rule = {
      labels_prefix: 'L',
      label_exclusions: ['secret'],
      annotations_prefix: 'A',
      annotation_exclusions: ['secret'],
      annotation_value_max_length: 0,
    };
    expect(await added({ SrcAddr: '10.0.0.5' }, rule)).toEqual({
      ...WEB,
      L_app: 'web',
      L_tier: 'front',
      L_long: texts.long,
      A_note: '',
    });
  });

  test('annotation_inclusions become fields that a later rule can use', async () => {
    addWeb({ annotations: { team: 'red', other: 'x' } });
    const kubernetes = {
      ...{ ipField: 'SrcAddr', output: 'SrcK8S' },
      ...{ annotations_prefix: 'Src', annotation_inclusions: ['team'] },
    };
    const infra = { namespaceNameFields: [{ name: 'SrcK8S_Name', namespace: 'Src_team' }] };
    const rules = [
      { type: 'add_kubernetes', kubernetes },
      {
        type: 'add_kubernetes_infra',
        kubernetes_infra: { ...infra, output: 'Layer', infra_prefixes: ['red'] },
      },
    ];
    const { rows } = await enrich(api, { rules }, [{ SrcAddr: '10.0.0.5' }]);
    expect(rows[0]).toMatchObject({ Src_team: 'red', Layer: 'infra' });
    expect(rows[0]).not.toHaveProperty('Src_other');
  });

  test.each([
    ['whole', undefined, 'whole'],
    ['whole', 5, 'whole'],
    ['whole', 4, 'w...'],
    ['whole', 3, '...'],
    ['whole', 2, '..'],
    ['whole', 0, ''],
    ['whole', -1, ''],
    ['😀😀😀😀😀', 5, '😀😀😀😀😀'],
    ['😀😀😀😀😀', 4, '😀...'],
  ])('%s in %s characters is "%s"', (text, length, result) => {
    expect(cut(text, length)).toBe(result);
  });
});

test('fields that nothing reads are left out, with the search itself if there are no others', () => {
  const kubernetes = { ipField: 'SrcAddr', output: 'SrcK8S', add_zone: true };
  const planFor = (label: string) => {
    const metrics = [{ name: 'm', type: 'counter', labels: [label] }];
    const { pipeline } = testPipeline({
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'prom', follows: 'net' },
      ],
      parameters: [
        {
          name: 'net',
          transform: {
            type: 'network',
            network: { rules: [{ type: 'add_kubernetes', kubernetes }] },
          },
        },
        { name: 'prom', encode: { type: 'prom', prom: { metrics } } },
      ],
    });
    return pipeline.plan();
  };
  const used = planFor('SrcK8S_Namespace');
  expect(used).toContain('decoded columns (2): TimeFlowStartMs, SrcAddr');
  expect(used).toContain('→ SrcK8S_Namespace');
  expect(used).not.toContain('→ SrcK8S_Zone');
  expect(planFor('SrcPort')).not.toContain('SrcAddr,');
});

test('a flow without TimeFlowStartMs is taken for a present one', async () => {
  addWeb();
  const kubernetes = { ipField: 'SrcAddr', output: 'SrcK8S' };
  const columns = agentColumns().filter(({ name }) => name === 'SrcAddr');
  const network = { rules: [{ type: 'add_kubernetes', kubernetes }] };
  const { rows } = await enrich(api, network, [{ SrcAddr: '10.0.0.5' }], columns);
  expect(rows[0]).toMatchObject({ SrcK8S_Name: 'web-1-x' });
});

test('a field that is no address is refused', () => {
  const kubernetes = { ipField: 'SrcPort', output: 'S' };
  const network = { rules: [{ type: 'add_kubernetes', kubernetes }] };
  expect(() =>
    testPipeline({
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'end', follows: 'net' },
      ],
      parameters: [
        { name: 'net', transform: { type: 'network', network } },
        { name: 'end', write: { type: 'none' } },
      ],
    }),
  ).toThrow(/kubernetes\.ipField: field SrcPort holds u16/);
});

test('hits are counted by kind, namespace and network', async () => {
  addWeb();
  const kubernetes = { ipField: 'SrcAddr', output: 'SrcK8S' };
  const rows = [{ SrcAddr: '10.0.0.5' }, { SrcAddr: '10.0.0.5' }, { SrcAddr: '10.0.0.77' }];
  const network = { rules: [{ type: 'add_kubernetes', kubernetes }] };
  const { metrics } = await enrich(api, network, rows);
  const { values } = await metrics.registry.getSingleMetric('secondary_network_indexer_hit')!.get();
  expect(values).toMatchObject([
    { labels: { kind: 'Pod', namespace: 'shop', network: 'primary' }, value: 2 },
  ]);
});

test('the state says what is missing, and then that all is there', async () => {
  addWeb();
  const kubernetes = { ipField: 'SrcAddr', output: 'SrcK8S' };
  const network = { rules: [{ type: 'add_kubernetes', kubernetes }] };
  const { pipeline } = await enrich(api, network, []);
  expect(pipeline.clusterState?.()).toEqual({ ok: true });
  expect(api.requests.every(({ authorization }) => authorization === 'Bearer secret')).toBe(true);
});
