import { expect, test } from 'vitest';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

const FOLLOWS = 'preset-ingester';

/** A pipeline with one sink behind one stage with these parameters. */
function withStage(stage: Record<string, unknown>): unknown {
  return {
    pipeline: [
      { name: 'x', follows: FOLLOWS },
      { name: 'end', follows: 'x' },
    ],
    parameters: [
      { name: 'x', ...stage },
      { name: 'end', write: { type: 'none' } },
    ],
  };
}

const network = (options: unknown) =>
  withStage({ transform: { type: 'network', network: options } });
const rule = (one: unknown) => network({ rules: [one] });
const filter = (one: unknown) =>
  withStage({ transform: { type: 'filter', filter: { rules: [one] } } });
const prom = (options: unknown) => ({
  pipeline: [{ name: 'p', follows: FOLLOWS }],
  parameters: [{ name: 'p', encode: { type: 'prom', prom: options } }],
});
const metric = (options: Record<string, unknown>) =>
  prom({ metrics: [{ name: 'm', type: 'counter', ...options }] });

const none = (name: string) => ({ name, write: { type: 'none' } });

test.each<readonly [string, unknown, string, string]>([
  ['no object', [], 'ERR_PIPELINE_OPTION', 'must be an object'],
  [
    'unknown top key',
    { pipelin: [], pipeline: [], parameters: [] },
    'ERR_PIPELINE_KEY_UNKNOWN',
    'pipelin: unknown key "pipelin" (did you mean "pipeline"?)',
  ],
  [
    'no stages',
    { pipeline: [], parameters: [] },
    'ERR_PIPELINE_OPTION',
    'pipeline: must be a list that is not empty',
  ],
  [
    'parameters missing',
    { pipeline: [{ name: 'a' }] },
    'ERR_PIPELINE_OPTION',
    'parameters: is required',
  ],
  [
    'two sections',
    {
      pipeline: [{ name: 'a' }],
      parameters: [{ ...none('a'), encode: { type: 'prom', prom: { metrics: [] } } }],
    },
    'ERR_PIPELINE_OPTION',
    'parameters[0]: a stage has exactly one of',
  ],
  [
    'a section that is empty',
    { pipeline: [{ name: 'a' }], parameters: [{ name: 'a', write: null }] },
    'ERR_PIPELINE_OPTION',
    'parameters[0]: a stage has exactly one of ingest, transform, extract, encode, write, but this one has none',
  ],
  [
    'unknown type',
    withStage({ transform: { type: 'netwrok' } }),
    'ERR_PIPELINE_TYPE_UNKNOWN',
    'parameters[0].transform.type: unknown type "netwrok" (did you mean "network"?)',
  ],
  [
    'unknown source type',
    { pipeline: [{ name: 'a' }], parameters: [{ name: 'a', ingest: { type: 'carrier-pigeon' } }] },
    'ERR_PIPELINE_TYPE_UNKNOWN',
    'parameters[0].ingest.type: unknown type "carrier-pigeon" (known: preset, grpc',
  ],
  [
    'options missing',
    withStage({ transform: { type: 'network' } }),
    'ERR_PIPELINE_OPTION',
    'parameters[0].transform.network: is required',
  ],
  [
    'unknown option',
    network({ rules: [], subnetlabels: [] }),
    'ERR_PIPELINE_KEY_UNKNOWN',
    'parameters[0].transform.network.subnetlabels: unknown key "subnetlabels" (did you mean "subnetLabels"?)',
  ],
  [
    'unknown rule',
    rule({ type: 'add_servise' }),
    'ERR_PIPELINE_TYPE_UNKNOWN',
    'parameters[0].transform.network.rules[0].type: unknown type "add_servise" (did you mean "add_service"?)',
  ],
  [
    'rule option missing',
    rule({ type: 'add_service', add_service: { input: 'DstPort', output: 'S' } }),
    'ERR_PIPELINE_OPTION',
    'rules[0].add_service.protocol: is required',
  ],
  [
    'no direction info',
    rule({ type: 'reinterpret_direction' }),
    'ERR_PIPELINE_OPTION',
    'parameters[0].transform.network.rules[0]: reinterpret_direction needs directionInfo',
  ],
  [
    'wrong kind of input',
    rule({ type: 'add_subnet_label', add_subnet_label: { input: 'Bytes', output: 'L' } }),
    'ERR_PIPELINE_FIELD_KIND',
    'rules[0].add_subnet_label.input: field Bytes holds f64, but addr is needed here',
  ],
  [
    'wrong kind of output',
    rule({ type: 'add_subnet_label', add_subnet_label: { input: 'SrcAddr', output: 'Bytes' } }),
    'ERR_PIPELINE_FIELD_KIND',
    'parameters[0].transform.network: field Bytes holds f64, but add_subnet_label SrcAddr makes str',
  ],
  [
    'no CIDR',
    network({ rules: [], subnetLabels: [{ name: 'a', cidrs: ['10.0.0.0/8', '10.0.0.0/33'] }] }),
    'ERR_PIPELINE_CIDR',
    'parameters[0].transform.network.subnetLabels[0].cidrs[1]: "10.0.0.0/33" is not a CIDR',
  ],
  [
    'no mask',
    rule({ type: 'add_subnet', add_subnet: { input: 'SrcAddr', output: 'N', subnet_mask: '24' } }),
    'ERR_PIPELINE_CIDR',
    'rules[0].add_subnet.subnet_mask: "24" is not a mask',
  ],
  [
    'compares with nothing',
    filter({ type: 'remove_entry_if_equal', removeEntry: { input: 'Proto' } }),
    'ERR_PIPELINE_OPTION',
    'rules[0].removeEntry.value: is required',
  ],
  [
    'compares a list',
    filter({ type: 'remove_entry_if_equal', removeEntry: { input: 'Interfaces', value: 'lo' } }),
    'ERR_PIPELINE_FIELD_KIND',
    'rules[0].removeEntry.input: field Interfaces is a list',
  ],
  [
    'constant too large',
    filter({ type: 'add_field', addField: { input: 'Proto', value: 256 } }),
    'ERR_PIPELINE_FIELD_KIND',
    'rules[0].addField.value: field Proto holds u8, so the value must be a whole number from 0 to 255',
  ],
  [
    'constant no address',
    filter({ type: 'add_field', addField: { input: 'SrcAddr', value: 'here' } }),
    'ERR_PIPELINE_FIELD_KIND',
    'the value must be an IP address',
  ],
  [
    'unknown format',
    withStage({ write: { type: 'stdout', stdout: { format: 'jsn' } } }),
    'ERR_PIPELINE_OPTION',
    'parameters[0].write.stdout.format: "jsn" is not allowed here (did you mean "json"?)',
  ],
  [
    'unknown store',
    withStage({ write: { type: 'store', store: { name: 'c' } } }),
    'ERR_PIPELINE_NO_INPUT',
    'pipeline[1].follows: "x" ends its branch (write)',
  ],
  [
    'bare number of seconds',
    prom({ expiryTime: 120, metrics: [] }),
    'ERR_PIPELINE_DURATION',
    'parameters[0].encode.prom.expiryTime: 120 is not a duration such as 500ms, 30s or 2m: write the unit, "120s" for seconds',
  ],
  [
    'no duration',
    prom({ expiryTime: 'soon', metrics: [] }),
    'ERR_PIPELINE_DURATION',
    '"soon" is not a duration',
  ],
  [
    'bad metric name',
    metric({ name: 'a-b' }),
    'ERR_PIPELINE_METRIC',
    'parameters[0].encode.prom.metrics[0].name: "a-b" is not a metric name',
  ],
  [
    'metric twice',
    prom({
      metrics: [
        { name: 'm', type: 'counter' },
        { name: 'm', type: 'gauge' },
      ],
    }),
    'ERR_PIPELINE_METRIC',
    'metrics[1].name: there is another metric "m"',
  ],
  [
    'agg_histogram',
    metric({ type: 'agg_histogram', valueKey: 'Bytes' }),
    'ERR_PIPELINE_FIELD_KIND',
    'metrics[0].valueKey: field Bytes holds f64, but a list of numbers is needed',
  ],
  [
    'unknown metric type',
    metric({ type: 'countr' }),
    'ERR_PIPELINE_OPTION',
    'metrics[0].type: "countr" is not allowed here (did you mean "counter"?)',
  ],
  [
    'list as label',
    metric({ labels: ['Interfaces'] }),
    'ERR_PIPELINE_FIELD_KIND',
    'metrics[0].labels[0]: field Interfaces is a list: name it in flatten as well',
  ],
  [
    'no label name',
    metric({ labels: ['NetworkEvents>Type'], flatten: ['NetworkEvents'] }),
    'ERR_PIPELINE_METRIC',
    'metrics[0].labels[0]: "NetworkEvents>Type" cannot be a label name: give it another one in remap',
  ],
  [
    'label twice',
    metric({ labels: ['Proto', 'Proto'] }),
    'ERR_PIPELINE_METRIC',
    'labels[1]: label "Proto" is there twice',
  ],
  [
    'text as value',
    metric({ valueKey: 'SrcAddr' }),
    'ERR_PIPELINE_FIELD_KIND',
    'metrics[0].valueKey: field SrcAddr holds addr, but a number is needed',
  ],
  [
    'buckets fall',
    metric({ type: 'histogram', buckets: [1, 2, 2] }),
    'ERR_PIPELINE_METRIC',
    'metrics[0].buckets[2]: bounds must increase, but 2 follows 2',
  ],
  [
    'bad pattern',
    metric({ filters: [{ key: 'Proto', type: 'match_regex', value: '(' }] }),
    'ERR_PIPELINE_REGEX',
    'metrics[0].filters[0].value: "(" is not a regular expression',
  ],
  [
    'long pattern',
    metric({ filters: [{ key: 'Proto', type: 'match_regex', value: 'a'.repeat(1001) }] }),
    'ERR_PIPELINE_REGEX',
    'the pattern has 1001 characters, at most 1000',
  ],
  [
    'unknown filter type',
    metric({ filters: [{ key: 'Proto', type: 'regex' }] }),
    'ERR_PIPELINE_OPTION',
    'filters[0].type: "regex" is not allowed here',
  ],
])('%s', (_why, config, code, message) => {
  expectError(config, code, message);
});

const edges = (...pairs: readonly (readonly [string, string?])[]) =>
  pairs.map(([name, follows]) => (follows === undefined ? { name } : { name, follows }));
const pass = (name: string) => ({ name, transform: { type: 'filter', filter: { rules: [] } } });

test.each<readonly [string, unknown, string, string]>([
  [
    'stage without parameters',
    { pipeline: edges(['sotre', FOLLOWS]), parameters: [none('store')] },
    'ERR_PIPELINE_STAGE_UNKNOWN',
    'pipeline[0].name: no stage "sotre" in parameters (did you mean "store"?)',
  ],
  [
    'unknown parent',
    { pipeline: edges(['a', 'b']), parameters: [none('a')] },
    'ERR_PIPELINE_STAGE_UNKNOWN',
    'pipeline[0].follows: no stage "b"',
  ],
  [
    'name twice',
    { pipeline: edges(['a', FOLLOWS]), parameters: [none('a'), none('a')] },
    'ERR_PIPELINE_STAGE_DUPLICATE',
    'parameters[1].name: there is another stage "a"',
  ],
  [
    'edge twice',
    { pipeline: edges(['a', FOLLOWS], ['a', FOLLOWS]), parameters: [none('a')] },
    'ERR_PIPELINE_STAGE_DUPLICATE',
    'pipeline[1]: "a" follows "preset-ingester" twice',
  ],
  [
    'stage without input',
    { pipeline: edges(['a', FOLLOWS]), parameters: [none('a'), none('b')] },
    'ERR_PIPELINE_NO_INPUT',
    'stage "b" has no input',
  ],
  [
    'stage without output',
    { pipeline: edges(['a', FOLLOWS], ['b', FOLLOWS]), parameters: [none('a'), pass('b')] },
    'ERR_PIPELINE_NO_OUTPUT',
    'stage "b" has no output',
  ],
  [
    'follows a sink',
    { pipeline: edges(['a', FOLLOWS], ['b', 'a']), parameters: [none('a'), none('b')] },
    'ERR_PIPELINE_NO_INPUT',
    'pipeline[1].follows: "a" ends its branch',
  ],
  [
    'circle',
    {
      pipeline: edges(['a', FOLLOWS], ['a', 'b'], ['b', 'a'], ['c', 'b']),
      parameters: [pass('a'), pass('b'), none('c')],
    },
    'ERR_PIPELINE_CYCLE',
    'stages follow each other in a circle: "a", "b", "c"',
  ],
  [
    'no source',
    {
      pipeline: edges(['a', 'b'], ['b', 'a'], ['c', 'b']),
      parameters: [pass('a'), pass('b'), none('c')],
    },
    'ERR_PIPELINE_NO_INPUT',
    'no source',
  ],
  [
    'two in-process sources',
    {
      pipeline: edges(['s'], ['a', FOLLOWS], ['a', 's']),
      parameters: [{ name: 's', ingest: { type: 'preset' } }, none('a')],
    },
    'ERR_PIPELINE_NO_INPUT',
    'one in-process source is possible, but there are 2',
  ],
  [
    'queue of a transform',
    {
      pipeline: [
        { name: 'a', follows: FOLLOWS, whenFull: 'block' },
        { name: 'b', follows: 'a' },
      ],
      parameters: [pass('a'), none('b')],
    },
    'ERR_PIPELINE_OPTION',
    'pipeline[0].whenFull: only a stage with a queue',
  ],
  [
    'unknown store',
    {
      pipeline: edges(['a', FOLLOWS]),
      parameters: [{ name: 'a', write: { type: 'store', store: { name: 'c' } } }],
    },
    'ERR_PIPELINE_STORE_UNKNOWN',
    'parameters[0].write.store.name: no store "c" here (did you mean "a"?)',
  ],
])('%s', (_why, config, code, message) => {
  expectError(config, code, message);
});

function expectError(config: unknown, code: string, message: string): void {
  // Configurations come from files and may contain anything.
  const compile = () => testPipeline(config as PipelineConfig);
  expect(compile).toThrow(expect.objectContaining({ code }));
  expect(compile).toThrow(message);
}

test('map keys keep their case', async () => {
  const remap = { SrcAddr: 'SourceAddress', Proto: 'PROTO' };
  const config = metric({ labels: ['SrcAddr', 'Proto'], remap }) as unknown as PipelineConfig;
  const { pipeline, metrics } = testPipeline(config);
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  batch.length = 1;
  pipeline.emit(batch);
  expect(await metrics.registry.metrics()).toContain('m{SourceAddress="",PROTO=""} 1\n');
  await pipeline.stop();
});

test('the original server settings are accepted and have defaults', () => {
  const base = { pipeline: edges(['a', FOLLOWS]), parameters: [none('a')] };
  const plain = testPipeline(base as PipelineConfig).pipeline.metricsSettings;
  expect(plain).toMatchObject({ address: '', port: 9090, prefix: '' });
  const metricsSettings = { address: '127.0.0.1', port: 19_102, prefix: 'netobserv_' };
  const { pipeline } = testPipeline({ ...base, metricsSettings } as PipelineConfig);
  expect(pipeline.metricsSettings).toMatchObject(metricsSettings);
});
