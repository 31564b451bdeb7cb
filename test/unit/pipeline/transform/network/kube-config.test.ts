import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetobservError } from '../../../../../src/base/errors.ts';
import { enrich } from '../../../../support/kube/enrich.ts';
import { FakeApi } from '../../../../support/kube/fake-api.ts';
import { node, owner, pod } from '../../../../support/kube/objects.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

const PODS = '/api/v1/pods';
const NODES = '/api/v1/nodes';
const SERVICES = '/api/v1/services';
const SLICES = '/apis/discovery.k8s.io/v1/endpointslices';
const REPLICA_SETS = '/apis/apps/v1/replicasets';
const DEPLOYMENTS = '/apis/apps/v1/deployments';
const JOBS = '/apis/batch/v1/jobs';

let api: FakeApi;

beforeEach(async () => {
  api = new FakeApi();
  await api.start();
});

afterEach(() => api.stop());

/** Fields that a rule for `SrcAddr` adds to a flow. */
async function added(
  flow: Readonly<Record<string, unknown>>,
  rule: object,
  kubeConfig: object,
): Promise<Readonly<Record<string, unknown>>> {
  const kubernetes = { ipField: 'SrcAddr', output: 'SrcK8S', ...rule };
  const rules = [{ type: 'add_kubernetes', kubernetes }];
  const { rows } = await enrich(api, { rules, kubeConfig }, [flow]);
  const given = new Set(Object.keys(flow));
  return Object.fromEntries(Object.entries(rows[0]!).filter(([key]) => !given.has(key)));
}

const multus = (entries: readonly object[]) => ({
  'k8s.v1.cni.cncf.io/network-status': JSON.stringify(entries),
});
const flow = { SrcAddr: '10.9.0.1', SrcMac: '0a:58:0a:09:00:01', Interfaces: ['eth0', 'net1'] };
const fields = { macField: 'SrcMac', interfacesField: 'Interfaces', udnsField: 'Udns' };

beforeEach(() => {
  const networks = multus([
    { name: 'default/cni', interface: 'eth0', ips: ['10.0.0.7'], default: true },
    { name: 'shop/fast', interface: 'net1', ips: ['10.9.0.1'], mac: '0A:58:0A:09:00:01' },
  ]);
  api.set(PODS, pod('multi', { ips: ['10.0.0.7'], annotations: networks }));
  api.set(PODS, pod('plain', { ips: ['10.9.0.1'] }));
});

test.each([
  [{ interface: {}, ip: {}, mac: {} }, 'multi', 'shop/fast'],
  [{ mac: {} }, 'multi', 'shop/fast'],
  [{ ip: {} }, 'multi', 'shop/fast'],
  [{ interface: {}, ip: {} }, 'multi', 'shop/fast'],
  [{ udn: {} }, 'plain', 'primary'],
])('secondaryNetworks by %j', async (index, name, network) => {
  const found = await added(flow, fields, { secondaryNetworks: [{ name: 'any', index }] });
  expect(found).toMatchObject({ SrcK8S_Name: name, SrcK8S_NetworkName: network });
});

test('a part that the flow lacks, or has otherwise, finds nothing there', async () => {
  const kubeConfig = { secondaryNetworks: [{ index: { interface: {}, mac: {} } }] };
  const { SrcMac: _mac, ...bare } = flow;
  const others = [bare, { ...flow, Interfaces: ['eth0'] }, { ...flow, Interfaces: [] }];
  for (const other of others) {
    expect(await added(other, fields, kubeConfig)).toMatchObject({ SrcK8S_Name: 'plain' });
  }
  const noField = { interfacesField: 'Interfaces' };
  expect(await added(flow, noField, kubeConfig)).toMatchObject({ SrcK8S_Name: 'plain' });
});

test('user-defined networks of a namespace and of the cluster', async () => {
  const networks = {
    default: { ip_addresses: ['10.0.0.8/23'], ip_address: '10.0.0.8/23' },
    'shop/blue': { ip_addresses: ['10.200.0.3/24', 'fd20::3/64'], ip_address: '10.200.0.3/24' },
  };
  const annotations = { 'k8s.ovn.org/pod-networks': JSON.stringify(networks) };
  api.set(PODS, pod('udn', { ips: ['10.0.0.8'], annotations }));
  const kubeConfig = { secondaryNetworks: [{ index: { udn: {} } }] };
  const names = async (SrcAddr: string, Udns: readonly string[]) => {
    const found = await added({ SrcAddr, Udns }, fields, kubeConfig);
    return [found.SrcK8S_Name, found.SrcK8S_NetworkName];
  };
  expect(await names('10.200.0.3', ['default', 'shop/blue'])).toEqual(['udn', 'shop/blue']);
  expect(await names('fd20::3', ['', 'blue'])).toEqual(['udn', 'blue']);
  expect(await names('10.200.0.3', ['other/blue'])).toEqual([undefined, undefined]);
  expect(await names('10.0.0.8', ['default'])).toEqual(['udn', 'primary']);
});

test('trackedKinds: owners three steps up', async () => {
  api.set(PODS, pod('web-1-x', { ips: ['10.0.0.5'], owner: ['ReplicaSet', 'web-1'] }));
  api.set(REPLICA_SETS, owner('ReplicaSet', 'web-1', ['Deployment', 'web']));
  api.set(DEPLOYMENTS, owner('Deployment', 'web', ['Gateway', 'edge']));
  const trackedKinds = ['ReplicaSet', 'Deployment', 'Gateway'];
  const found = await added({ SrcAddr: '10.0.0.5' }, {}, { trackedKinds });
  expect(found).toMatchObject({ SrcK8S_OwnerType: 'Gateway', SrcK8S_OwnerName: 'edge' });
  const paths = new Set(api.requests.map(({ path }) => path));
  expect([...paths].sort()).toEqual(
    [NODES, PODS, SERVICES, SLICES, DEPLOYMENTS, REPLICA_SETS].sort(),
  );
});

test('without trackedKinds: replica sets and jobs are looked through', async () => {
  api.set(PODS, pod('backup-1-x', { ips: ['10.0.0.6'], owner: ['Job', 'backup-1'] }));
  api.set(JOBS, owner('Job', 'backup-1', ['CronJob', 'backup']));
  const found = await added({ SrcAddr: '10.0.0.6' }, {}, {});
  expect(found).toMatchObject({ SrcK8S_OwnerType: 'CronJob', SrcK8S_OwnerName: 'backup' });
});

test('managedCNI', async () => {
  const subnets = { 'k8s.ovn.org/node-subnets': '{"default":["10.128.2.0/23"]}' };
  api.set(NODES, node('node-1', ['192.168.0.1'], '', subnets));
  const port = { SrcAddr: '10.128.2.2' };
  expect(await added(port, {}, {})).toMatchObject({
    SrcK8S_Name: 'node-1',
    SrcK8S_HostIP: '192.168.0.1',
  });
  expect(await added(port, {}, { managedCNI: ['other'] })).toEqual({});
});

test('configPath must be the same in all stages, and must lead somewhere', async () => {
  const rules = [{ type: 'add_kubernetes', kubernetes: { ipField: 'SrcAddr', output: 'S' } }];
  const stage = (name: string, configPath: string) => ({
    name,
    transform: { type: 'network', network: { rules, kubeConfig: { configPath } } },
  });
  const compile = (second: string) =>
    testPipeline({
      pipeline: [
        { name: 'a', follows: 'preset-ingester' },
        { name: 'b', follows: 'a' },
        { name: 'end', follows: 'b' },
      ],
      parameters: [
        stage('a', '/nowhere'),
        stage('b', second),
        { name: 'end', write: { type: 'stdout' } },
      ],
    }).pipeline;
  expect(() => compile('/elsewhere')).toThrow(/parameters\[1\].*configPath is "\/elsewhere"/);
  const { failure } = await compile('/nowhere')
    .start(new AbortController().signal)
    .then(
      () => ({ failure: undefined }),
      (error: unknown) => ({ failure: error as NetobservError }),
    );
  expect(failure).toBeInstanceOf(NetobservError);
  expect(failure?.code).toBe('ERR_KUBE_CONFIG');
  expect(failure?.message).toContain('/nowhere');
});
