import { expect, test } from 'vitest';
import { CALCULATED_COLUMNS, COLUMNS } from '../../../src/flow/columns.ts';
import { FIELDS, fieldByName } from '../../../src/flow/fields.ts';
import { FILTERS, filterById } from '../../../src/flow/filters.ts';
import { SCOPES } from '../../../src/flow/scopes.ts';
import { ORIGINAL_COLUMNS, ORIGINAL_FILTERS } from '../../support/console/original-console.ts';

const columnIds = COLUMNS.map((column) => column.id);

test("the original's 88 columns are there, with their names and defaults", () => {
  expect(new Set(ORIGINAL_COLUMNS.map((column) => column.id)).size).toBe(88);
  const ours = new Map(COLUMNS.map((column) => [column.id, column]));
  for (const { id, name, default: isDefault } of ORIGINAL_COLUMNS) {
    expect(ours.get(id), id).toMatchObject({ name });
    expect(ours.get(id)?.default === true, id).toBe(isDefault);
  }
});

test('ids are unique', () => {
  expect(new Set(columnIds).size).toBe(columnIds.length);
});

test('calculated columns stand where they say, and are made of what there is', () => {
  for (const { id, after, fields, calculated, filter } of CALCULATED_COLUMNS) {
    expect(columnIds.indexOf(id), id).toBe(columnIds.indexOf(after) + 1);
    for (const field of fields) expect(fieldByName(field), `${id} ${field}`).toBeDefined();
    for (const [, other] of calculated.matchAll(/column\.(\w+)/g)) {
      expect(columnIds, id).toContain(other);
    }
    const names = calculated
      .replaceAll(/'[^']*'|column\.\w+|\w+\(| or |\b\d+\b/g, ' ')
      .match(/\w+/g);
    for (const name of names ?? []) expect(fields, `${id} ${name}`).toContain(name);
    if (filter !== undefined) expect(filterById(filter), id).toBeDefined();
  }
});

test('a click on a cell has a filter that exists', () => {
  for (const { id, filter } of COLUMNS) {
    if (filter !== undefined) expect(filterById(filter), id).toBeDefined();
  }
  const owner = COLUMNS.find((column) => column.id === 'SrcK8S_OwnerType');
  expect(owner?.filter).toBe('src_kind');
});

test('fields that share a cell exist', () => {
  for (const { fields } of COLUMNS) {
    for (const field of fields ?? []) expect(fieldByName(field), field).toBeDefined();
  }
});

test('groups are neighbours, so that their heading stands once', () => {
  const groups = COLUMNS.map((column) => column.group);
  const starts = groups.filter(
    (group, index) => group !== undefined && group !== groups[index - 1],
  );
  expect(new Set(starts).size).toBe(starts.length);
});

test("the original's 66 filters are there, with their components and categories", () => {
  expect(new Set(ORIGINAL_FILTERS.map((filter) => filter.id)).size).toBe(66);
  for (const filter of ORIGINAL_FILTERS) {
    expect(filterById(filter.id), filter.id).toMatchObject(filter);
  }
});

test('ids of filters are unique', () => {
  const ids = FILTERS.map((filter) => filter.id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('the key of a filter is a field, what a pair of fields shares, or an object', () => {
  for (const { id, key, category } of FILTERS) {
    const name = category === 'endpoint' ? `Src${key}` : key;
    const isObject = name.endsWith('K8S_Object');
    expect(isObject || fieldByName(name) !== undefined, id).toBe(true);
  }
  expect(filterById('port')?.key).toBe('Port');
  expect(filterById('src_resource')?.key).toBe('SrcK8S_Object');
});

test('names that are picked from a list are quoted where a part would match too much', () => {
  const quoted = FILTERS.filter((filter) => filter.quoted === true).map((filter) => filter.id);
  expect(quoted.sort()).toEqual([
    'dst_kind',
    'dst_namespace',
    'kind',
    'namespace',
    'src_kind',
    'src_namespace',
  ]);
});

test("the original's seven scopes, of fields and filters that exist", () => {
  expect(SCOPES.map((scope) => scope.id)).toEqual([
    'cluster',
    'network',
    'zone',
    'host',
    'namespace',
    'owner',
    'resource',
  ]);
  const ids = SCOPES.map((scope) => scope.id);
  for (const { id, labels, filters, stepInto, groups } of SCOPES) {
    for (const label of labels) expect(fieldByName(label), `${id} ${label}`).toBeDefined();
    for (const filter of filters) expect(filterById(filter), `${id} ${filter}`).toBeDefined();
    if (stepInto !== undefined) expect(ids).toContain(stepInto);
    for (const part of (groups ?? []).flatMap((group) => group.split('+'))) {
      expect(
        ids.map((other) => `${other}s`),
        id,
      ).toContain(part);
    }
  }
});

test.each([
  ['zone', 1],
  ['host', 6],
  ['namespace', 9],
  ['owner', 14],
  ['resource', 20],
])('scope %s can be grouped in %d ways', (id, count) => {
  const groups = SCOPES.find((scope) => scope.id === id)!.groups!;
  expect(new Set(groups).size).toBe(count);
});

test('a host without Kubernetes shows addresses where names would stand', () => {
  const bare = COLUMNS.filter(({ feature, default: isDefault, bareDefault }) => {
    return feature === undefined && (isDefault === true || bareDefault === true);
  });
  expect(bare.map((column) => column.id)).toEqual([
    'EndTime',
    'SrcAddr',
    'SrcPort',
    'DstAddr',
    'DstPort',
    'Proto',
    'Dscp',
    'TCPFlags',
    'FlowDirection',
    'Interfaces',
    'Bytes',
    'Packets',
  ]);
});

test('every column of a field carries the gate of the field', () => {
  for (const { field, feature } of COLUMNS) {
    if (field !== undefined) expect(feature).toBe(fieldByName(field)!.feature);
  }
  expect(FIELDS.filter((field) => field.column !== undefined).length).toBe(
    COLUMNS.length - CALCULATED_COLUMNS.length,
  );
});
