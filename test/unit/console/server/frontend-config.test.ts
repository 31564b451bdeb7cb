import { expect, test } from 'vitest';
import { frontendConfig } from '../../../../src/console/server/frontend-config.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { configOf } from './harness.ts';

const VERSION = { version: '1.2.3', buildDate: '2026-01-01' };
const { frontend } = configOf();

function withFeatures(...features: readonly string[]) {
  return frontendConfig(frontend, { version: VERSION, features, login: false });
}

test('version and facts are passed on', () => {
  const facts = { ...frontend, sampling: 50 };
  expect(frontendConfig(facts, { version: VERSION, features: [], login: true })).toMatchObject({
    buildVersion: '1.2.3',
    buildDate: '2026-01-01',
    recordTypes: ['flowLog'],
    sampling: 50,
    dataSources: ['store'],
    lokiMocks: false,
  });
});

test('the original’s columns, filters and scopes are there, each once', () => {
  const { columns, filters, scopes, fields } = withFeatures();
  const ids = (list: readonly { readonly id: string }[]) => list.map(({ id }) => id);
  for (const list of [ids(columns), ids(filters), ids(scopes)]) {
    expect(new Set(list).size).toBe(list.length);
  }
  expect(ids(columns)).toEqual(
    expect.arrayContaining([
      'EndTime',
      'SrcAddrPort',
      'K8S_Object',
      'TimeFlowRttMs',
      'FlowDirInts',
    ]),
  );
  expect(ids(filters)).toEqual(
    expect.arrayContaining(['namespace', 'src_port', 'dst_resource', 'protocol', 'dns_latency']),
  );
  expect(ids(scopes).toSorted()).toEqual([
    'cluster',
    'host',
    'namespace',
    'network',
    'owner',
    'resource',
    'zone',
  ]);
  expect(fields).toHaveLength(FIELDS.length);
});

test('whatever refers to something else refers to something that exists', () => {
  const { columns, filters, scopes, fields } = withFeatures();
  const fieldNames = new Set(fields.map(({ name }) => name));
  const filterIds = new Set(filters.map(({ id }) => id));
  for (const { field, fields: several = [], filter } of columns) {
    for (const name of [field ?? [], several].flat()) expect(fieldNames).toContain(name);
    if (filter !== undefined) expect(filterIds).toContain(filter);
  }
  for (const { labels, filter, filters: several = [], stepInto } of scopes) {
    for (const name of labels) expect(fieldNames).toContain(name);
    for (const id of [filter ?? [], several].flat()) expect(filterIds).toContain(id);
    if (stepInto !== undefined) expect(scopes.map(({ id }) => id)).toContain(stepInto);
  }
});

test('columns of what is off are not shown by default', () => {
  const shown = (...features: readonly string[]) =>
    withFeatures(...features)
      .columns.filter((column) => column.default)
      .map(({ id }) => id);
  expect(shown()).not.toContain('DNSLatency');
  expect(shown('dnsTracking')).toContain('DNSLatency');
  expect(shown()).toEqual(expect.arrayContaining(['EndTime', 'SrcAddr', 'Bytes']));
  expect(shown('kubernetes')).toContain('SrcK8S_Name');
  expect(shown('kubernetes')).not.toContain('SrcAddr');
});

test('fields have the type and the format of their kind', () => {
  const { fields } = withFeatures();
  const byName = new Map(fields.map((field) => [field.name, field]));
  expect(byName.get('SrcAddr')).toMatchObject({ type: 'string', format: 'IP' });
  expect(byName.get('SrcMac')).toMatchObject({ type: 'string', format: 'MAC' });
  expect(byName.get('Bytes')).toMatchObject({ type: 'number' });
  expect(byName.get('Interfaces')).toMatchObject({ type: 'string[]' });
  expect(byName.get('IfDirections')).toMatchObject({ type: 'number[]' });
});

test('labels are those of what is on', () => {
  expect(withFeatures().lokiLabels).toEqual(['FlowDirection']);
  expect(withFeatures('kubernetes', 'conversation').lokiLabels).toEqual(
    expect.arrayContaining(['SrcK8S_Namespace', 'DstK8S_Type', 'FlowDirection', '_RecordType']),
  );
});

test('columns of the host make room for those of routers', () => {
  const shown = (...features: readonly string[]) =>
    withFeatures(...features)
      .columns.filter((column) => column.default)
      .map(({ id }) => id);
  const ofRouters = ['Exporter', 'InOutInterfaces'];
  const ofHost = ['TCPFlags', 'FlowDirection'];
  expect(shown()).toEqual(expect.arrayContaining(ofHost));
  expect(shown('netflow')).toEqual([...shown().filter((id) => !ofHost.includes(id)), ...ofRouters]);
});
