import { describe, expect, test } from 'vitest';
import { COLUMNS } from '../../../src/flow/columns.ts';
import { NAMES } from '../../../src/flow/enums.ts';
import type { FieldSpec } from '../../../src/flow/field.ts';
import {
  FIELD_FAMILIES,
  FIELDS,
  fieldByName,
  kindOf,
  LOKI_LABELS,
} from '../../../src/flow/fields.ts';
import { FILTERS } from '../../../src/flow/filters.ts';
import { SCOPES } from '../../../src/flow/scopes.ts';
import { ORIGINAL_FIELDS } from '../../support/console/original-console.ts';

/** Numbers below are those of `netobserv-ebpf-agent`. */
const OWN_PROTO_MIN = 100;

function duplicates(values: readonly (string | undefined)[]): readonly string[] {
  const given = values.filter((value) => value !== undefined);
  return given.filter((value, index) => given.indexOf(value) !== index);
}

test('names are unique', () => {
  expect(duplicates(FIELDS.map((field) => field.name))).toEqual([]);
});

/** Places of a field in `pbflow.Record`: its own, and those of the fields sent beside it. */
function placesOf({ proto }: FieldSpec): readonly string[] {
  if (proto === undefined) return [];
  const beside = [proto.exact, proto.mismatch].flatMap((number) => number ?? []);
  return [proto.numbers.join('.'), ...beside.map(String)];
}

test('no two fields stand at the same place of the protobuf record', () => {
  const places = FIELDS.flatMap(placesOf);
  const last = Math.max(...places.map((place) => Number.parseInt(place, 10)));
  const next = Math.max(OWN_PROTO_MIN, last + 1);
  expect(duplicates(places), `the next free number is ${next}`).toEqual([]);
  expect(duplicates(FIELDS.map((field) => field.proto?.path))).toEqual([]);
});

test("a protobuf path has as many parts as numbers, and the original's numbers end at 38", () => {
  for (const { proto } of FIELDS) {
    if (proto === undefined) continue;
    expect(proto.path.split('.'), proto.path).toHaveLength(proto.numbers.length);
    const [first] = proto.numbers;
    expect(first! <= 38 || first! >= OWN_PROTO_MIN, proto.path).toBe(true);
  }
});

test('each value that others in a record depend on is in one field', () => {
  expect(duplicates(FIELDS.map((field) => field.proto?.context))).toEqual([]);
});

test('no two elements have the same place in an IPFIX template, and all read fields exist', () => {
  const elements = FIELDS.flatMap(({ ipfix, ipfixAgain = [] }) => [ipfix ?? [], ipfixAgain].flat());
  const places = elements.map(({ place }) => place).filter((place) => typeof place === 'number');
  expect(places.toSorted((a, b) => a - b)).toEqual(places.map((_, index) => index + 1));
  for (const { reads } of elements) {
    if (reads !== undefined) expect(fieldByName(reads), reads).toBeDefined();
  }
});

test('no two fields have the same OpenTelemetry name or enterprise element', () => {
  expect(duplicates(FIELDS.map((field) => field.otel))).toEqual([]);
  expect(duplicates(FIELDS.map((field) => field.ipfixEnterprise?.name))).toEqual([]);
  expect(duplicates(FIELDS.map((field) => field.ipfixEnterprise?.id.toString()))).toEqual([]);
});

test('an IPFIX element has one name', () => {
  const names = new Map<number, string>();
  for (const { ipfix, ipfixAgain = [] } of FIELDS) {
    for (const element of [ipfix, ...ipfixAgain].flatMap((one) => [one, one?.v6])) {
      if (element === undefined) continue;
      expect(names.get(element.id) ?? element.name).toBe(element.name);
      names.set(element.id, element.name);
    }
  }
});

test('every field is in one family and says what it means', () => {
  expect(FIELD_FAMILIES.flatMap((family) => family.fields)).toEqual(FIELDS);
  for (const field of FIELDS) expect(field.meaning, field.name).toMatch(/^[A-Z0-9~`].*\.$/);
});

test('every feature that a filter, a column or a scope waits for fills a field', () => {
  const filled = new Set(FIELDS.map(({ feature }) => feature));
  const awaited = [FILTERS, COLUMNS, SCOPES].flat().map(({ feature }) => feature);
  expect(awaited.filter((feature) => !filled.has(feature))).toEqual([]);
});

test("the original's 64 fields are there", () => {
  expect(new Set(ORIGINAL_FIELDS).size).toBe(64);
  for (const name of ORIGINAL_FIELDS) expect(fieldByName(name), name).toBeDefined();
});

describe('sources and destinations are twins', () => {
  const sources = FIELDS.filter((field) => /^(Xlat)?Src/.test(field.name));
  const twinOf = (name: string): string => name.replace('Src', 'Dst');

  test.each(sources.map((field) => [field.name, field] as const))('%s', (name, source) => {
    const target = fieldByName(twinOf(name));
    expect(target).toBeDefined();
    const common = ({ kind, unit, producer, feature, cardinality, lokiLabel }: FieldSpec) => {
      return { kind, unit, producer, feature, cardinality, lokiLabel };
    };
    expect(common(target!)).toEqual(common(source));
    const own = ['proto', 'ipfix', 'ipfixEnterprise', 'otel', 'column', 'filter'] as const;
    for (const key of own) expect(key in target!, key).toBe(key in source);
    expect(target!.column?.id).toBe(source.column && twinOf(source.column.id));
    expect(target!.column?.width).toBe(source.column?.width);
    expect(target!.filter?.id).toBe(source.filter?.id.replace('src_', 'dst_'));
    expect(target!.pair).toBe(source.pair);
  });

  test('and a key stands for one of each, the source first', () => {
    const paired = FIELDS.filter((field) => field.pair !== undefined);
    for (const [pair, fields] of Map.groupBy(paired, (field) => field.pair!)) {
      const [source] = fields;
      expect(fields.map(({ name }) => name)).toEqual([source!.name, twinOf(source!.name)]);
      expect(pair).toBe(source!.name.replace('Src', ''));
      expect(fieldByName(pair)).toBeUndefined();
    }
  });

  test('and nothing else is a destination', () => {
    const targets = FIELDS.filter((field) => /^(Xlat)?Dst/.test(field.name));
    expect(targets.map((field) => field.name)).toEqual(
      expect.arrayContaining(sources.map((field) => twinOf(field.name))),
    );
    expect(targets).toHaveLength(sources.length);
  });
});

test('only numbers have units, and only numbers, or lists of them, have names', () => {
  for (const { name, kind, unit, names } of FIELDS) {
    const isNumeric = ['u8', 'u16', 'u32', 'f64', 'list<u32>'].includes(kind);
    if (unit !== undefined || names !== undefined) expect(isNumeric, name).toBe(true);
    if (names !== undefined) expect(NAMES[names], name).toBeDefined();
  }
});

test('what is shown, sorted or summed fits: renderers agree with kinds', () => {
  const kinds: Readonly<Record<string, readonly string[]>> = {
    bytes: ['f64'],
    packets: ['f64'],
    datetime: ['f64'],
    duration: ['f64'],
    address: ['addr'],
    port: ['u16'],
    protocol: ['u8'],
    dscp: ['u8'],
    icmp: ['u8'],
    flags: ['u16'],
    direction: ['u8', 'list<u32>'],
    list: ['list<str>', 'any'],
  };
  for (const { name, kind, column } of FIELDS) {
    const allowed = column === undefined ? undefined : kinds[column.renderer];
    if (allowed !== undefined) expect(allowed, name).toContain(kind);
  }
});

test("Loki labels are the original's", () => {
  expect([...LOKI_LABELS].sort()).toEqual([
    'DstK8S_Namespace',
    'DstK8S_OwnerName',
    'DstK8S_Type',
    'DstK8S_Zone',
    'FlowDirection',
    'K8S_ClusterName',
    'K8S_FlowLayer',
    'SrcK8S_Namespace',
    'SrcK8S_OwnerName',
    'SrcK8S_Type',
    'SrcK8S_Zone',
    'UdnId',
    '_RecordType',
  ]);
});

test('a label of a stream has few values', () => {
  for (const name of LOKI_LABELS) expect(fieldByName(name)!.cardinality).not.toBe('avoid');
});

test('a field is found by its exact name', () => {
  expect(fieldByName('SrcAddr')?.kind).toBe('addr');
  expect(fieldByName('srcaddr')).toBeUndefined();
  expect(kindOf('Flags')).toBe('u16');
  expect(kindOf('constructor')).toBeUndefined();
});
