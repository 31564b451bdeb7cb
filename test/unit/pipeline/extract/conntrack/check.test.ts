import { expect, test } from 'vitest';
import { NetobservError } from '../../../../../src/base/errors.ts';
import type { PipelineConfig } from '../../../../../src/pipeline/options/graph.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

const GROUPS = [
  { name: 'src', fields: ['SrcAddr', 'SrcPort'] },
  { name: 'dst', fields: ['DstAddr', 'DstPort'] },
  { name: 'common', fields: ['Proto'] },
];
const HASH = { fieldGroupRefs: ['common'], fieldGroupARef: 'src', fieldGroupBRef: 'dst' };
const RIGHT = {
  keyDefinition: { fieldGroups: GROUPS, hash: HASH },
  outputRecordTypes: ['newConnection'],
  outputFields: [{ name: 'Bytes', operation: 'sum' }],
  scheduling: [{}],
  maxConnectionsTracked: 10,
  tcpFlags: {},
};

const key = (fieldGroups: unknown, hash: unknown = HASH) => ({
  keyDefinition: { fieldGroups, hash },
});
const withoutSides = { fieldGroupRefs: ['common'] };
const output = (...fields: readonly Record<string, unknown>[]) => ({ outputFields: fields });

function problemsOf(options: Record<string, unknown>): readonly string[] {
  const config: PipelineConfig = {
    pipeline: [
      { name: 'c', follows: 'preset-ingester' },
      { name: 'end', follows: 'c' },
    ],
    parameters: [
      { name: 'c', extract: { type: 'conntrack', conntrack: { ...RIGHT, ...options } } },
      { name: 'end', write: { type: 'none' } },
    ],
  };
  try {
    testPipeline(config);
    return [];
  } catch (error) {
    if (!(error instanceof NetobservError)) throw error;
    const problems = (error.details.issues as readonly string[] | undefined) ?? [error.message];
    return problems.map((text) => text.replace('parameters[0].extract.conntrack.', ''));
  }
}

test.each<readonly [string, Record<string, unknown>, string]>([
  [
    'two groups of one name',
    key([...GROUPS, { name: 'src', fields: ['SrcMac'] }]),
    'keyDefinition.fieldGroups[3].name: there is another group "src": names must be unique',
  ],
  [
    'a group that is not there',
    key(GROUPS, { ...HASH, fieldGroupRefs: ['comon'] }),
    'keyDefinition.hash.fieldGroupRefs[0]: there is no group "comon": the groups are src, dst, common',
  ],
  [
    'a side that is not there',
    key(GROUPS, { ...HASH, fieldGroupBRef: 'target' }),
    'keyDefinition.hash.fieldGroupBRef: there is no group "target": the groups are src, dst, common',
  ],
  [
    'one side only',
    key(GROUPS, { fieldGroupBRef: 'dst' }),
    'keyDefinition.hash: fieldGroupBRef is there, so fieldGroupARef is needed, too',
  ],
  [
    'no group in the hash',
    key(GROUPS, {}),
    'keyDefinition.hash: names no group: all flows would be one connection',
  ],
  [
    'sides of different lengths',
    key([GROUPS[0], { name: 'dst', fields: ['DstAddr'] }, GROUPS[2]]),
    'keyDefinition.hash: group src has 2 fields, but dst has 1: they must correspond',
  ],
  [
    'sides of different kinds',
    key([GROUPS[0], { name: 'dst', fields: ['DstPort', 'DstAddr'] }, GROUPS[2]]),
    'keyDefinition.hash: field SrcAddr holds addr, but DstPort of the other side holds u16',
  ],
  [
    'a list in the key',
    key([...GROUPS, { name: 'links', fields: ['Interfaces'] }]),
    'keyDefinition.fieldGroups[3].fields[0]: field Interfaces holds list<str>, but str or addr or ' +
      'mac or u8 or u16 or u32 or f64 or any is needed here',
  ],
  [
    'an own field in the key',
    key([...GROUPS, { name: 'own', fields: ['_HashId'] }]),
    'keyDefinition.fieldGroups[3].fields[0]: field _HashId is made by this stage, so it cannot be ' +
      'in the key',
  ],
  [
    'splitAB without sides',
    {
      ...key(GROUPS, withoutSides),
      ...output({ name: 'Bytes', operation: 'sum', splitAB: true }),
    },
    'outputFields[0].splitAB: needs fieldGroupARef and fieldGroupBRef in keyDefinition.hash',
  ],
  [
    'first with splitAB',
    output({ name: 'AgentIP', operation: 'first', splitAB: true }),
    'outputFields[0].splitAB: first cannot be split: use sum, count, min or max',
  ],
  [
    'one name for two results',
    output(
      { name: 'Bytes', operation: 'sum', splitAB: true },
      { name: 'Bytes_BA', operation: 'max', input: 'Packets' },
    ),
    'outputFields[1].name: field Bytes_BA is the result of outputFields[0]: choose another name',
  ],
  [
    'the name of a key field',
    output({ name: 'SrcPort', operation: 'last' }),
    'outputFields[0].name: field SrcPort is a key field: choose another name',
  ],
  [
    'a sum of texts',
    output({ name: 'names', operation: 'sum', input: 'DnsName' }),
    'outputFields[0].input: field DnsName holds str, but u8 or u16 or u32 or f64 or any is needed ' +
      'here',
  ],
  [
    'a sum in a field that is too small',
    output({ name: 'SrcPort_AB', operation: 'sum' }, { name: 'Dscp', operation: 'sum' }),
    'outputFields[1].name: field Dscp holds u8, but the result is f64: choose another name',
  ],
  [
    'a selector that is not in the key',
    { scheduling: [{ selector: { Dscp: 1 } }, {}] },
    'scheduling[0].selector.Dscp: field Dscp is not a key field',
  ],
  [
    'an empty selector before others',
    { scheduling: [{}, { selector: {} }] },
    'scheduling[0].selector: is empty, so the groups after it would have no connections: put it last',
  ],
  [
    'no empty selector',
    { scheduling: [{ selector: { Proto: 6 } }] },
    'scheduling[0].selector: the last selector must be empty, for all other connections',
  ],
  [
    'flags without a field',
    { tcpFlags: { detectEndConnection: true } },
    'tcpFlags.fieldName: is needed for detectEndConnection and swapAB',
  ],
  [
    'flags that are a text',
    { tcpFlags: { fieldName: 'DnsName', detectEndConnection: true } },
    'tcpFlags.fieldName: field DnsName holds str, but u8 or u16 or u32 or f64 or any is needed here',
  ],
  [
    'swapAB without sides',
    { ...key(GROUPS, withoutSides), tcpFlags: { fieldName: 'Flags', swapAB: true } },
    'tcpFlags.swapAB: needs fieldGroupARef and fieldGroupBRef in keyDefinition.hash',
  ],
])('%s', (_name, options, problem) => {
  expect(problemsOf(options)).toContain(problem);
});

test('the options that the tests vary are right', () => {
  expect(problemsOf({})).toEqual([]);
  expect(problemsOf(output({ name: 'Dscp', operation: 'max' }))).toEqual([]);
});

test('all problems are reported at once', () => {
  expect(
    problemsOf({
      ...key(GROUPS, { fieldGroupRefs: ['x'], fieldGroupARef: 'src' }),
      ...output({ name: 'AgentIP', operation: 'last', splitAB: true }),
      scheduling: [{ selector: { Proto: 6 } }],
      tcpFlags: { swapAB: true },
    }),
  ).toHaveLength(6);
});
