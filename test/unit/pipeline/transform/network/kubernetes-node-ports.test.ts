import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { enrich } from '../../../../support/kube/enrich.ts';
import { FakeApi } from '../../../../support/kube/fake-api.ts';
import { node, pod, service } from '../../../../support/kube/objects.ts';
import type { Row } from '../../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const NODE = '192.168.0.1';
const OTHER_NODE = 'fd00::2';

let api: FakeApi;

beforeEach(async () => {
  api = new FakeApi();
  await api.start();
  api.set('/api/v1/nodes', node('node-1', [NODE], 'zone-b'));
  api.set('/api/v1/nodes', node('node-2', [OTHER_NODE]));
  api.set('/api/v1/pods', pod('web', { ips: ['10.0.0.5'] }));
});

afterEach(() => api.stop());

function addServices(): void {
  const ports = [
    { name: 'http', port: 80, nodePort: 30_080 },
    { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30_053 },
    { name: 'sig', port: 90, protocol: 'SCTP', nodePort: 30_090 },
    { name: 'internal', port: 8080 },
    ...[{ nodePort: -1 }, { nodePort: 70_000 }, { nodePort: '1' }, { protocol: 'X', nodePort: 5 }],
  ];
  api.set('/api/v1/services', service('cart', ['10.96.0.9'], { ports }));
}

const RULE = { ipField: 'DstAddr', portField: 'DstPort', output: 'K', add_zone: true };

async function named(rows: readonly Row[], rule: object = RULE): Promise<readonly Row[]> {
  const rules = [{ type: 'add_kubernetes', kubernetes: rule }];
  return (await enrich(api, { rules }, rows)).rows;
}

const to = (DstAddr: string, DstPort: number, Proto: number, more: Row = {}): Row => ({
  ...{ DstAddr, DstPort, Proto },
  ...more,
});

test('the address of a node and a port of a service name the service; the host is the node', async () => {
  addServices();
  const [row] = await named([to(NODE, 30_080, TCP)]);
  expect(row).toEqual({
    ...to(NODE, 30_080, TCP),
    ...{ K_Namespace: 'shop', K_Name: 'cart', K_Type: 'Service' },
    ...{ K_OwnerName: 'cart', K_OwnerType: 'Service', K_NetworkName: 'primary' },
    ...{ K_HostIP: NODE, K_HostName: 'node-1', K_Zone: 'zone-b' },
  });
});

test('each combination of address, port and protocol', async () => {
  addServices();
  const flows: readonly (readonly [string, Row, string | undefined])[] = [
    ['any node', to(OTHER_NODE, 30_080, TCP), 'cart'],
    ['UDP', to(NODE, 30_053, UDP), 'cart'],
    ['SCTP', to(NODE, 30_090, SCTP), 'cart'],
    ['a port of another protocol', to(NODE, 30_080, UDP), 'node-1'],
    ['a port of nobody', to(NODE, 30_081, TCP), 'node-1'],
    ['the port in the cluster', to(NODE, 80, TCP), 'node-1'],
    ['a port without a nodePort', to(NODE, 8080, TCP), 'node-1'],
    ['an unknown protocol', to(NODE, 5, TCP), 'node-1'],
    ['the address of a pod', to('10.0.0.5', 30_080, TCP), 'web'],
    ['a strange address', to('203.0.113.1', 30_080, TCP), undefined],
    ['no port', { DstAddr: NODE, Proto: TCP }, 'node-1'],
    ['no protocol', { DstAddr: NODE, DstPort: 30_080 }, 'node-1'],
    ['no address', { DstPort: 30_080, Proto: TCP }, undefined],
  ];
  const rows = await named(flows.map(([, flow]) => flow));
  const names = rows.map(({ K_Name }, at) => [flows[at]![0], K_Name]);
  expect(names).toEqual(flows.map(([why, , name]) => [why, name]));
});

test('without portField the node is named, as by flowlogs-pipeline', async () => {
  addServices();
  const { portField: _, ...rule } = RULE;
  const [row] = await named([to(NODE, 30_080, TCP)], rule);
  expect(row).toMatchObject({ K_Name: 'node-1', K_Type: 'Node' });
});

test('the time of the flow decides, as for addresses', async () => {
  const startMs = Math.floor(Date.now() / 1000) * 1000 - 60_000;
  const ports = [{ port: 80, nodePort: 30_080 }];
  api.set('/api/v1/services', service('late', ['10.96.0.9'], { ports, startMs }));
  const rows = await named([
    to(NODE, 30_080, TCP, { TimeFlowStartMs: startMs - 5000 }),
    to(NODE, 30_080, TCP, { TimeFlowStartMs: startMs + 5000 }),
  ]);
  expect(rows.map(({ K_Name }) => K_Name)).toEqual(['node-1', 'late']);
});

describe('a field of another kind', () => {
  test.each([
    [{ portField: 'DstAddr' }, /kubernetes\.portField/],
    [{ protocolField: 'DstPort' }, /kubernetes\.protocolField/],
  ])('%o', (wrong, message) => {
    const kubernetes = { ...RULE, ...wrong };
    const network = { rules: [{ type: 'add_kubernetes', kubernetes }] };
    const make = () =>
      testPipeline({
        pipeline: [
          { name: 'net', follows: 'preset-ingester' },
          { name: 'out', follows: 'net' },
        ],
        parameters: [
          { name: 'net', transform: { type: 'network', network } },
          { name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } },
        ],
      });
    expect(make).toThrow(message);
  });
});
