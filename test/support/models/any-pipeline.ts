import fc from 'fast-check';
import type { PipelineConfig, StageParameters } from '../../../src/pipeline/options/graph.ts';
import { filterRule } from './any-filter-rule.ts';
import type { Row } from './interpreter/rows.ts';

const ADDRESSES = ['10.0.0.1', '10.0.1.9', '10.128.1.7', '192.168.7.7', '2001:db8::1', 'fd01::1:5'];
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 3 });

/** A flow, with few different values so that rules and filters meet. */
export const anyRow: fc.Arbitrary<Row> = fc
  .record({
    SrcAddr: optional(fc.constantFrom(...ADDRESSES)),
    DstAddr: optional(fc.constantFrom(...ADDRESSES)),
    AgentIP: optional(fc.constantFrom(...ADDRESSES)),
    SrcPort: optional(fc.constantFrom(22, 80, 53, 40_000)),
    DstPort: optional(fc.constantFrom(22, 80, 53, 65_535)),
    Proto: optional(fc.constantFrom(6, 17, 1, 200)),
    Flags: optional(fc.integer({ min: 0, max: 0xffff })),
    FlowDirection: optional(fc.constantFrom(0, 1, 2)),
    Bytes: optional(fc.integer({ min: 0, max: 1e9 })),
    TimeFlowRttNs: optional(fc.integer({ min: 0, max: 2e9 })),
    DnsFlagsResponseCode: optional(fc.constantFrom('', 'NoError', 'NXDomain', 'a"b\\c\nd')),
    Interfaces: optional(fc.array(fc.constantFrom('eth0', 'eth1', 'lo'), { maxLength: 3 })),
  })
  .map((row) =>
    Object.fromEntries(
      Object.entries(row).filter(([, value]) => {
        // A batch cannot distinguish an empty list from none.
        return value !== undefined && !(Array.isArray(value) && value.length === 0);
      }),
    ),
  );

const networkRule = fc.constantFrom<Record<string, unknown>>(
  { type: 'add_subnet_label', add_subnet_label: { input: 'SrcAddr', output: 'SrcSubnetLabel' } },
  { type: 'add_subnet_label', add_subnet_label: { input: 'DstAddr', output: 'DstSubnetLabel' } },
  { type: 'add_service', add_service: { input: 'DstPort', output: 'Svc', protocol: 'Proto' } },
  {
    type: 'add_service',
    add_service: { input: 'SrcPort', output: 'SrcService', protocol: 'Proto' },
  },
  { type: 'reinterpret_direction' },
  { type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: 'FlagNames' } },
  { type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: 'Flags' } },
  { type: 'add_subnet', add_subnet: { input: 'SrcAddr', output: 'Net', subnet_mask: '/20' } },
  { type: 'add_subnet', add_subnet: { input: 'DstAddr', output: 'Net', subnet_mask: '/64' } },
);

const genericRule = fc.constantFrom<Record<string, unknown>>(
  { input: 'SrcAddr', output: 'DstAddr' },
  { input: 'DstAddr', output: 'SrcAddr' },
  { input: 'SrcPort', output: 'DstPort' },
  { input: 'DstPort', output: 'SrcPort' },
  { input: 'SrcPort', output: 'SrcPort' },
  { input: 'Bytes', output: 'Bytes' },
  { input: 'Bytes', output: 'Bytes', multiplier: 3 },
  { input: 'Bytes', output: 'Octets', multiplier: 0.5 },
  { input: 'SrcPort', output: 'Octets', multiplier: 2 },
  { input: 'Octets', output: 'Bytes' },
  { input: 'AgentIP', output: 'Reporter' },
  { input: 'Reporter', output: 'AgentIP' },
  { input: 'Svc', output: 'Service' },
  { input: 'Interfaces', output: 'Links' },
  { input: 'Links', output: 'Interfaces' },
  { input: 'NoSuchField', output: 'NoSuchCopy' },
);

const transform: fc.Arbitrary<Omit<StageParameters, 'name'>> = fc.oneof(
  fc
    .record({
      policy: fc.constantFrom('preserve_original_keys', 'replace_keys'),
      rules: fc.array(genericRule, { maxLength: 6 }),
    })
    .map((generic) => ({ transform: { type: 'generic', generic } })),
  fc
    .record({
      rules: fc.array(networkRule, { maxLength: 6 }),
      hosts: fc.constantFrom(['SrcAddr', 'DstAddr'], ['SrcSubnetLabel', 'DstSubnetLabel']),
      ifDirection: fc.boolean(),
    })
    .map(({ rules, hosts, ifDirection }) => ({
      transform: {
        type: 'network',
        network: {
          rules,
          directionInfo: {
            reporterIPField: 'AgentIP',
            srcHostField: hosts[0],
            dstHostField: hosts[1],
            flowDirectionField: 'FlowDirection',
            ...(ifDirection ? { ifDirectionField: 'IfDirection' } : {}),
          },
          subnetLabels: [
            { name: 'ten', cidrs: ['10.0.0.0/8'] },
            { name: 'node-a', cidrs: ['10.0.0.0/24', 'fd01::/64'] },
            { name: '10.0.0.1', cidrs: ['10.128.0.0/15', '10.0.1.9/32'] },
            { name: '', cidrs: ['2001:db8::/32'] },
          ],
        },
      },
    })),
  fc.array(filterRule, { maxLength: 4 }).map((rules) => ({
    transform: { type: 'filter', filter: { rules } },
  })),
);

const metric = fc.record(
  {
    type: fc.constantFrom('counter', 'gauge', 'histogram'),
    valueKey: fc.constantFrom('Bytes', 'TimeFlowRttNs', 'SrcPort', 'NoSuchField'),
    valueScale: fc.constantFrom(1, 1000, 1e9),
    labels: fc.uniqueArray(
      fc.constantFrom(
        'FlowDirection',
        'AgentIP',
        'SrcSubnetLabel',
        'Svc',
        'Bytes',
        'Proto',
        'Interfaces',
        'DnsFlagsResponseCode',
        'NoSuchField',
      ),
      { maxLength: 4 },
    ),
    filters: fc.array(
      fc.constantFrom(
        { key: 'FlowDirection', value: '1|2', type: 'match_regex' },
        { key: 'FlowDirection', value: '2' },
        { key: 'SrcAddr', value: '^10\\.', type: 'match_regex' },
        { key: 'SrcAddr', value: ':', type: 'not_match_regex' },
        { key: 'TimeFlowRttNs', type: 'presence' },
        { key: 'Svc', type: 'absence' },
        { key: 'Bytes', value: '0', type: 'not_equal' },
        { key: 'SrcAddr', value: '$(DstAddr)', type: 'not_equal' },
        { key: 'Interfaces', value: 'lo', type: 'not_equal' },
      ),
      { maxLength: 3 },
    ),
    buckets: fc.constantFrom([1], [0, 10, 1000], [0.005, 0.5]),
    remap: fc.constantFrom({}, { Svc: 'service' }),
  },
  { requiredKeys: ['type', 'labels', 'buckets'] },
);

const sinks: fc.Arbitrary<Omit<StageParameters, 'name'>> = fc.oneof(
  fc.constantFrom('a', 'b').map((name) => ({ write: { type: 'store', store: { name } } })),
  fc.array(metric, { minLength: 1, maxLength: 3 }).map((metrics) => ({
    encode: {
      type: 'prom',
      prom: {
        prefix: 'p_',
        metrics: metrics.map((one, index) => ({
          ...one,
          name: `m${index}`,
          flatten: usesList(one) ? ['Interfaces'] : [],
        })),
      },
    },
  })),
);

function usesList(metric: {
  readonly labels: readonly string[];
  readonly filters?: readonly { readonly key: string }[];
}): boolean {
  const filtered = metric.filters?.some(({ key }) => key === 'Interfaces') === true;
  return metric.labels.includes('Interfaces') || filtered;
}

type Stage = Omit<StageParameters, 'name'>;
/** Stages one after the other, then a sink, or branches. */
export interface Tree {
  readonly stages: readonly Stage[];
  readonly sink: Stage | undefined;
  readonly children: readonly Tree[];
}

const sums: Stage = { extract: { type: 'sum', sum: {} } };
const leaf: fc.Arbitrary<Tree> = fc.record({
  stages: fc
    .tuple(fc.array(transform, { maxLength: 2 }), fc.constantFrom([], [], [sums]))
    .map(([transforms, extractors]) => [...transforms, ...extractors]),
  sink: sinks,
  children: fc.constant([]),
});
export const anyTree: fc.Arbitrary<Tree> = fc.record({
  stages: fc.array(transform, { maxLength: 2 }),
  sink: fc.constant(undefined),
  children: fc.array(
    fc.oneof(
      leaf,
      fc.record({
        stages: fc.array(transform, { maxLength: 1 }),
        sink: fc.constant(undefined),
        children: fc.array(leaf, { minLength: 1, maxLength: 2 }),
      }),
    ),
    { minLength: 1, maxLength: 3 },
  ),
});

/** A second source: its rows, its stages, and whether the first source's stages also get them. */
export interface Second {
  readonly batches: readonly (readonly Row[])[];
  readonly tree: Tree;
  readonly joins: boolean;
  readonly coalesceMs?: number | undefined;
}

/** Names stages in order; prom stages get their own prefix, so that metrics do not collide. */
export function configOf(root: Tree, second: Second | undefined): PipelineConfig {
  const pipeline: { name: string; follows: string }[] = [];
  const parameters: StageParameters[] = [];
  const add = (stage: Stage, follows: string): string => {
    const name = `s${parameters.length}`;
    const encode = stage.encode as { prom: { prefix: string } } | undefined;
    const prom = encode === undefined ? undefined : { ...encode.prom, prefix: `${name}_` };
    parameters.push({ name, ...stage, ...(prom && { encode: { type: 'prom', prom } }) });
    pipeline.push({ name, follows });
    return name;
  };
  const walk = (node: Tree, parent: string): void => {
    const last = node.stages.reduce((follows, stage) => add(stage, follows), parent);
    if (node.sink !== undefined) add(node.sink, last);
    for (const child of node.children) walk(child, last);
  };
  walk(root, 'preset-ingester');
  if (second !== undefined) {
    const { batches, tree: own, joins, coalesceMs } = second;
    // A gauge keeps the last value: if both sources meet, they must take turns in reading order.
    const waiting = joins || coalesceMs === undefined ? {} : { coalesceMs };
    const firsts = pipeline.filter(({ follows }) => follows === 'preset-ingester');
    parameters.push({ name: 'rows', ingest: { type: 'rows', rows: { batches, ...waiting } } });
    if (joins) pipeline.push(...firsts.map(({ name }) => ({ name, follows: 'rows' })));
    walk(own, 'rows');
  }
  return { pipeline, parameters };
}
